"""The study in Optuna: a sampler that draws each point of a grid once, kept in a database."""

import optuna
from boosting import train

GRID = {"depth": [1, 2], "rate": [0.1, 0.3], "seed": [0, 1, 2]}


def objective(trial):
    setting = {name: trial.suggest_categorical(name, values) for name, values in GRID.items()}
    for epoch, metrics in enumerate(train(**setting)):
        trial.report(metrics["test_loss"], epoch)
    return metrics["test_loss"]


def main():
    study = optuna.create_study(
        study_name="boosting",
        storage="sqlite:///optuna.db",
        sampler=optuna.samplers.GridSampler(GRID),
        load_if_exists=True,
    )
    study.optimize(objective)
    for trial in study.trials:
        print(*(trial.params[name] for name in GRID), trial.value)


if __name__ == "__main__":
    main()
