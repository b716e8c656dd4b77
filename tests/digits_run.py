"""Run folders of untrained models, to try commands on."""

import yaml

import chainrule as cr
from chainrule.models import save_model


def write_run(folder, name, *, domain=None, source="digits", seed=0, **hyperparameters):
    """A run folder of a model with random weights; gives the model."""
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        domain = cr.Domain.image(1, 8, 8, levels=17) if domain is None else domain
        model = cr.create_model(name, domain, **hyperparameters)
    folder.mkdir(parents=True, exist_ok=True)
    save_model(model, folder, version=cr.__version__)
    config = {"model": name, "hyperparameters": hyperparameters, "data": {"source": source}}
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    return model.eval()
