"""Writes the reference pages that follow from the code, so that they cannot say anything else.

python -m tools.reference            write docs/reference/{settings,spec,errors}.md anew
python -m tools.reference --check    exit with 1 where a page is stale
"""
