"""The study in PyExperimenter: a table with a row for each point of a grid, of which processes take open ones."""

from pathlib import Path

from boosting import train
from py_experimenter.experimenter import PyExperimenter


def experiment(setting, processor, _):
    for metrics in train(**setting):
        processor.process_logs({"curves": {name: str(value) for name, value in metrics.items()}})
    processor.process_results({"test_loss": metrics["test_loss"]})


def main():
    configuration = Path(__file__).with_suffix(".yml")
    experimenter = PyExperimenter(str(configuration), use_codecarbon=False)
    experimenter.fill_table_from_config()
    experimenter.execute(experiment)
    for row in experimenter.get_table().itertuples():
        print(row.depth, row.rate, row.seed, row.test_loss)


if __name__ == "__main__":
    main()
