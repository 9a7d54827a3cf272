from io import StringIO

import pytest
from rich.console import Console

from hornbeam.cli.plan import print_plan
from hornbeam.jobs.plan_text import count, plan_text, summary
from schemas.estimates import Estimates, MemoryEstimate, SecondsEstimate
from schemas.jobs import LayerPlan, Plan

MIB = 2**20
ESTIMATES = Estimates(
    batch_size=32,
    memory=MemoryEstimate(
        total=200 * MIB,
        weights=30 * MIB,
        optimizer=60 * MIB,
        gradients=30 * MIB,
        activations=70 * MIB,
        workspace=9 * MIB,
        program=MIB,
    ),
    flops=7_730_000_000,
    training_flops=23_000_000_000,
    seconds_per_epoch=SecondsEstimate(low=61.0, high=244.0),
)
PLAN = Plan(
    layers=[
        LayerPlan(
            pointer="/model/layers/0",
            name="conv",
            type="Conv2D",
            output_shape=[None, 26, 26, 32],
            parameters=320,
            flops=411_008,
        ),
        LayerPlan(pointer="/model/layers/1", name="output", type="Dense", output_shape=[None, 10], parameters=216_330),
    ],
    parameters=216_650,
    trainable_parameters=216_330,
    output_shape=[None, 10],
    steps_per_epoch=45,
    estimates=ESTIMATES,
)


def test_a_plan_is_a_table_and_what_its_training_takes():
    assert plan_text(PLAN).splitlines() == [
        "layer   type    output shape  parameters  operations",
        "conv    Conv2D  ?x26x26x32           320       411 k",
        "output  Dense   ?x10             216,330",
        "",
        "216,650 parameters, 216,330 of them trained",
        "a step of 32 examples holds about 200 MiB "
        "(activations 70, optimizer 60, weights 30, gradients 30, workspace 9)",
        "7.73 G operations an example forward, 736 G a training step",
        "an epoch of 45 steps takes about 1 to 4.1 min on a CPU slot",
    ]


def test_what_stands_before_the_model_comes_first():
    step = LayerPlan(
        pointer="/dataset/preprocess/age/0", name="age", type="Normalization", output_shape=[None, 1], parameters=3
    )
    text = plan_text(PLAN.model_copy(update={"preprocess": [step], "estimates": None}))
    assert text.splitlines() == [
        "layer   type           output shape  parameters  operations",
        "age     Normalization  ?x1                    3",
        "",
        "conv    Conv2D         ?x26x26x32           320       411 k",
        "output  Dense          ?x10             216,330",
        "",
        "216,650 parameters, 216,330 of them trained",
    ]


def test_what_is_not_known_is_not_said():
    plan = PLAN.model_copy(update={"estimates": None, "trainable_parameters": 216_650})

    assert summary(plan) == ["216,650 parameters, all of them trained"]
    assert summary(Plan()) == []
    assert plan_text(Plan()) == "layer  type  output shape  parameters  operations\n"
    without_rows = PLAN.model_copy(update={"steps_per_epoch": None})
    assert not any("epoch" in line for line in summary(without_rows))


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [
        (0.012, 0.05, "0.012 to 0.05 s"),
        (20, 80, "20 to 80 s"),
        (4000, 16_000, "1.1 to 4.4 h"),
        (10**6, 10**7, "278 to 2,778 h"),
        (1, 99.9, "0.017 to 1.7 min"),
    ],
)
def test_durations_have_the_unit_of_their_upper_end(low, high, said):
    estimates = ESTIMATES.model_copy(update={"seconds_per_epoch": SecondsEstimate(low=low, high=high)})

    last = summary(PLAN.model_copy(update={"estimates": estimates}))[-1]

    assert last == f"an epoch of 45 steps takes about {said} on a CPU slot"


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (0, "0"),
        (999, "999"),
        (1000, "1 k"),
        (999_499, "999 k"),
        (999_500, "1 M"),
        (12_345_678, "12.3 M"),
        (10**21, "1e+06 P"),
    ],
)
def test_large_numbers_have_three_digits(number, said):
    assert count(number) == said


def test_a_terminal_shows_the_same_words():
    console = Console(file=StringIO(), width=60)

    print_plan(console, PLAN)

    shown = console.file.getvalue()
    assert all(line in shown for line in summary(PLAN))
    assert "conv" in shown
