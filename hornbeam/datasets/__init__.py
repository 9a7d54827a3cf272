"""What is known about datasets without reading them."""
