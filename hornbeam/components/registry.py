"""The shared registry: decorators that make an ordinary Keras class a component that specs may name.

One definition gives the schema, the validation, the documentation and the code:

    @register_loss
    class Quantile(keras.losses.Loss):
        # A docstring, whose first sentence and `Args:` describe it to clients.

        def __init__(self, q: Annotated[float, Field(gt=0, lt=1)] = 0.5, reduction="mean", name="quantile"):
            …

The class is known to Keras, to specs and to saved models as `hornbeam>Quantile`; specs may say `Quantile` or
`quantile` as well. Leaves reading the annotations to `hornbeam.components.declarations`, and finding the modules
that hold such classes to `hornbeam.components.loading`. It imports Keras: the API process never loads it.
"""

import importlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar, overload

import keras

from hornbeam.components.declarations import DeclarationError, Holds, declared_parameters
from hornbeam.components.docstrings import parse
from hornbeam.components.naming import snake_case
from hornbeam.components.sources import BY_KIND
from hornbeam.errors import ComponentRefused
from schemas.catalog import ComponentEntry, ComponentKind

__all__ = [
    "PACKAGE",
    "Holds",
    "Refusal",
    "Registration",
    "collecting_refusals",
    "forget_module",
    "register_activation",
    "register_callback",
    "register_constraint",
    "register_initializer",
    "register_layer",
    "register_loss",
    "register_metric",
    "register_optimizer",
    "register_regularizer",
    "register_schedule",
    "registrations",
]

PACKAGE = "hornbeam"
"""The prefix of every registered name. It is written into saved models, so it never changes."""

Class = TypeVar("Class", bound=type[Any])


@dataclass(frozen=True, slots=True)
class Registration:
    """A class that was registered, and what the catalogue says of it."""

    component: type[Any]
    entry: ComponentEntry

    @property
    def module(self) -> str:
        """The module that holds the class."""
        return self.component.__module__


@dataclass(frozen=True, slots=True)
class Refusal:
    """A class that can't be a component, and why."""

    component: str
    module: str
    message: str


_registrations: dict[tuple[ComponentKind, str], Registration] = {}
_collecting: list[list[Refusal]] = []


def registrations() -> list[Registration]:
    """Everything that was registered in this process, by kind and name."""
    return [_registrations[key] for key in sorted(_registrations)]


def forget_module(module: str) -> None:
    """Take back whatever a module registered: it broke while it was imported."""
    for key, registration in list(_registrations.items()):
        if registration.module == module:
            del _registrations[key]


@contextmanager
def collecting_refusals() -> Iterator[list[Refusal]]:
    """Within it a refused class is noted, and the import of the other classes in its module goes on.

    Outside of it a decorator raises ComponentRefused, so that an author sees at once what is wrong.
    """
    refusals: list[Refusal] = []
    _collecting.append(refusals)
    try:
        yield refusals
    finally:
        _collecting.remove(refusals)


class _Decorator:
    """`@register_loss`, or `@register_loss(aliases=("my_loss",))`."""

    def __init__(self, kind: ComponentKind) -> None:
        self._kind = kind
        self.__doc__ = f"Register a class as a component of kind {kind}. Raises ComponentRefused."

    @overload
    def __call__(self, component: Class) -> Class: ...

    @overload
    def __call__(self, component: None = None, *, aliases: tuple[str, ...] = ()) -> Callable[[Class], Class]: ...

    def __call__(
        self, component: Class | None = None, *, aliases: tuple[str, ...] = ()
    ) -> Class | Callable[[Class], Class]:
        if component is None:
            return lambda decorated: self._register(decorated, aliases)
        return self._register(component, aliases)

    def _register(self, component: Class, aliases: tuple[str, ...]) -> Class:
        try:
            _add(self._kind, component, aliases)
        except ComponentRefused as refused:
            if not _collecting:
                raise
            _collecting[-1].append(Refusal(component.__name__, component.__module__, refused.message))
        return component


register_layer = _Decorator(ComponentKind.LAYER)
register_activation = _Decorator(ComponentKind.ACTIVATION)
register_loss = _Decorator(ComponentKind.LOSS)
register_metric = _Decorator(ComponentKind.METRIC)
register_optimizer = _Decorator(ComponentKind.OPTIMIZER)
register_schedule = _Decorator(ComponentKind.SCHEDULE)
register_initializer = _Decorator(ComponentKind.INITIALIZER)
register_regularizer = _Decorator(ComponentKind.REGULARIZER)
register_constraint = _Decorator(ComponentKind.CONSTRAINT)
register_callback = _Decorator(ComponentKind.CALLBACK)


def _add(kind: ComponentKind, component: type[Any], aliases: tuple[str, ...]) -> None:
    _check_class(kind, component)
    name = f"{PACKAGE}>{component.__name__}"
    others = tuple(dict.fromkeys((component.__name__, snake_case(component.__name__), *aliases)))
    _check_names(kind, component, others)
    entry = _entry(kind, component, name, others)
    _registrations[kind, name] = Registration(component, entry)
    keras.saving.register_keras_serializable(package=PACKAGE)(component)


def _check_class(kind: ComponentKind, component: type[Any]) -> None:
    """Raises ComponentRefused unless the class is of this kind and says what it does."""
    source = BY_KIND[kind]
    if source.base is None:
        if not (callable(component) and "__call__" in vars(component) and hasattr(component, "get_config")):
            raise ComponentRefused(f"An {kind} is a class with __call__ and get_config; {component.__name__} is not.")
    elif not issubclass(component, getattr(importlib.import_module(source.module), source.base)):
        raise ComponentRefused(f"A {kind} inherits from {source.module}.{source.base}; {component.__name__} does not.")
    if component.__qualname__ != component.__name__:
        raise ComponentRefused(f"{component.__qualname__} must stand at the top level of its module.")
    if not (component.__doc__ or "").strip():
        raise ComponentRefused(f"{component.__name__} has no docstring; its first sentence describes it to clients.")


def _check_names(kind: ComponentKind, component: type[Any], names: tuple[str, ...]) -> None:
    """Raises ComponentRefused where a name is taken by Keras, or by another component of this kind.

    Saved models know a class by its canonical name alone, so that one must be free of all kinds.
    """
    module = importlib.import_module(BY_KIND[kind].module)
    for name in names:
        if hasattr(module, name):
            raise ComponentRefused(f"{component.__name__}: Keras has {a_name(kind, name)} already.")
    for (other_kind, _), other in _registrations.items():
        again = (other.module, other.component.__name__) == (component.__module__, component.__name__)
        is_taken = other.component.__name__ == component.__name__
        if other_kind is kind:
            is_taken = not again and bool(set(names) & set(other.entry.aliases))
        if is_taken:
            what = f"{other.entry.name}, {a_name(other_kind, other.component.__name__)},"
            raise ComponentRefused(f"{component.__name__}: {other.module} has registered {what} already.")


def a_name(kind: ComponentKind, name: str) -> str:
    """`a loss called Dice`."""
    article = "an" if kind[0] in "aio" else "a"
    return f"{article} {kind} called {name}"


def _entry(kind: ComponentKind, component: type[Any], name: str, aliases: tuple[str, ...]) -> ComponentEntry:
    docs = parse(component.__doc__)
    try:
        parameters = declared_parameters(kind, component, docs)
    except DeclarationError as error:
        raise ComponentRefused(f"{component.__name__}: {error}") from error
    return ComponentEntry(
        kind=kind,
        name=name,
        aliases=sorted(aliases),
        path=f"{component.__module__}:{component.__name__}",
        summary=docs.summary,
        description=docs.description,
        parameters=parameters,
    )
