"""A model of somebody else's, registered in Python: by name, proved by the laws, saved and loaded."""

import pytest

import chainrule as cr
from chainrule.errors import ChainruleError, RunError
from chainrule.models import MODELS, load_model, model_entry, save_model, tiny_model
from chainrule.testing import check_model

DOMAIN = cr.Domain.sequence(5, 4)


def test_it_is_known_by_name_and_obeys_the_laws(outside):
    from my_models import Window

    assert "window" in cr.list_models()
    model = cr.create_model("window", DOMAIN, width=8, unit="tanh")
    assert type(model) is Window and model.hyperparameters["unit"] == "tanh"
    assert model_entry("window").summary == "A small net reads the last few values."
    laws = ["causal", "connected", "step_is_forward", "sums_to_one", "one_pass"]
    assert check_model(Window, laws=laws) == dict.fromkeys(laws, "holds")
    assert tiny_model("window", classes=3).hyperparameters["width"] == 16


def test_a_run_opens_once_it_is_registered(outside, tmp_path):
    import my_models  # noqa: F401

    save_model(cr.create_model("window", DOMAIN, width=8), tmp_path, version="0")
    assert load_model(tmp_path).name == "window"
    del MODELS["window"]
    with pytest.raises(RunError, match=r"unknown model 'window'; .* --import MODULE"):
        load_model(tmp_path)


def test_as_a_function_with_fixed_hyperparameters(outside):
    from my_models import Window

    assert cr.register_model("tanh-window", Window, "with tanh", fixed={"unit": "tanh"}) is Window
    assert "unit" not in cr.models.hyperparameters_of("tanh-window")
    assert "Tanh" in repr(cr.create_model("tanh-window", DOMAIN))
    cr.register_model("tanh-window", Window, "again: a module may be loaded twice", fixed={"unit": "tanh"})


@pytest.mark.parametrize(
    "name, target, message",
    [
        ("gru", None, "'gru' is chainrule.models.recurrent:RecurrentNet already; choose another"),
        ("a:b", None, "expected a name without a colon, got 'a:b'"),
        ("number", int, "expected a subclass of chainrule.models.Model, got <class 'int'>"),
    ],
)
def test_what_cannot_be_registered(outside, name, target, message):
    from my_models import Window

    with pytest.raises(ChainruleError, match=message):
        cr.register_model(name, target or Window)


def test_laws_are_of_what_makes_models_not_of_a_model(outside):
    from my_models import Window

    with pytest.raises(
        ChainruleError, match="expected a class or a function, got a model; pass `lambda: model`"
    ):
        check_model(Window(DOMAIN, width=8))
