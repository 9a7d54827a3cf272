"""The shipped catalogue with operators' components, and what a spec needs of them."""

from hornbeam.components.catalog import component_key, load_catalogue
from hornbeam.specs.requirements import needed_components
from schemas.catalog import ComponentEntry, ComponentKind, Parameter

SHIPPED = load_catalogue()


def entry(name="Ours", kind=ComponentKind.LOSS, aliases=("ours",), **changes):
    parameter = Parameter(name="q", json_schema={"type": "number"}, required=False, default=0.5, description="A share.")
    whole = {"summary": "A loss.", "path": f"acme:{name}", "parameters": [parameter], **changes}
    return ComponentEntry(kind=kind, name=f"hornbeam>{name}", aliases=list(aliases), **whole)


def test_deployed_components_are_found_as_the_shipped_ones_are():
    catalogue = SHIPPED.with_deployed([entry()])
    assert catalogue.find(ComponentKind.LOSS, "ours") == catalogue.find(ComponentKind.LOSS, "hornbeam>Ours") == entry()
    assert catalogue.form(entry()).defaults == {"q": 0.5}
    assert catalogue.find(ComponentKind.LOSS, "mse") == SHIPPED.find(ComponentKind.LOSS, "mse")
    names = [known.name for known in catalogue.components(ComponentKind.LOSS)]
    assert names == sorted(names)
    assert "hornbeam>Ours" in names


def test_the_digest_tells_catalogues_apart():
    described = entry(summary="Another summary.")
    digests = [SHIPPED.digest] + [SHIPPED.with_deployed(each).digest for each in ([entry()], [described], [entry("B")])]
    assert len(set(digests)) == 4
    assert SHIPPED.with_deployed([entry()]).digest == digests[1]
    assert SHIPPED.with_deployed([]).digest == SHIPPED.digest


def test_of_two_with_one_name_the_later_one_holds():
    older, newer = entry(), entry(parameters=[])
    catalogue = SHIPPED.with_deployed([older, newer])
    assert catalogue.find(ComponentKind.LOSS, "ours") == newer
    assert catalogue.deployed["hornbeam>Ours"] == [component_key(newer)]


def test_nothing_of_keras_is_replaced():
    catalogue = SHIPPED.with_deployed([entry(aliases=["mse", "ours"])])
    assert catalogue.find(ComponentKind.LOSS, "mse").name == "MeanSquaredError"
    assert catalogue.find(ComponentKind.LOSS, "hornbeam>Ours").aliases == ["ours"]


def test_a_key_changes_with_what_specs_depend_on_alone():
    same = [entry(), entry(summary="Other words."), entry(aliases=[]), entry(path="elsewhere:Ours")]
    assert len({component_key(each) for each in same}) == 1
    stricter = Parameter(name="q", json_schema={"type": "number", "maximum": 1}, required=False, default=0.5)
    other_default = Parameter(name="q", json_schema={"type": "number"}, required=False, default=0.6)
    others = [entry(parameters=[stricter]), entry(parameters=[other_default]), entry("Theirs")]
    assert len({component_key(each) for each in [entry(), *others]}) == 4
    assert component_key(entry()).startswith("loss:hornbeam>Ours@")


def test_a_key_outlives_the_way_through_json():
    restored = ComponentEntry.model_validate_json(entry().model_dump_json(by_alias=True))
    assert component_key(restored) == component_key(entry())


def test_what_a_spec_needs_is_found_wherever_it_stands():
    schedule = entry("Warm", ComponentKind.SCHEDULE, [])
    layer = entry("Gate", ComponentKind.LAYER, [])
    catalogue = SHIPPED.with_deployed([entry(), schedule, layer])
    spec = {
        "model": {"layers": [{"type": "Bidirectional", "layer": {"type": "hornbeam>Gate"}}, {"type": "Dense"}]},
        "loss": {"type": "MeanSquaredError"},
        "optimizer": {"type": "Adam", "learning_rate": {"type": "hornbeam>Warm"}},
        "metrics": [],
        "callbacks": [],
        "dataset": None,
        "name": "hornbeam>Ours",
        "metadata": {"type": "hornbeam>Ours"},
    }
    assert needed_components(spec, catalogue) == (component_key(layer), component_key(schedule))
    assert needed_components({**spec, "loss": {"type": "hornbeam>Ours"}}, catalogue)[1] == component_key(entry())
    before = {"dataset": {"preprocess": {"age": [{"type": "hornbeam>Gate"}]}}, "model": {"layers": []}}
    assert component_key(layer) in needed_components({**spec, **before}, catalogue)
    assert needed_components(spec, SHIPPED) == ()
