"""The Croissant description of a published data set (https://docs.mlcommons.org/croissant/docs/croissant-spec.html)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from survey.dataset.experiments_table import EXPERIMENTS
from survey.dataset.layout import EXECUTIVE
from survey.dataset.schema import experiments_schema
from survey.export.publish.description import About, Facts
from survey.export.publish.files import FLAT

CROISSANT = "croissant.json"

_PARQUET = "application/x-parquet"

_CONTEXT = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileProperty": "cr:fileProperty",
    "fileObject": "cr:fileObject",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}
"""The context of Croissant 1.0, which readers expect word for word."""

_CITATION = (
    "@article{tripp2022butter, title={The BUTTER Zone: An Empirical Study of Training Dynamics in Fully Connected "
    "Neural Networks}, author={Tripp, C. E. and Perr-Sauer, J. and Hayne, L. and Lunacek, M. and Gafur, J.}, "
    "journal={arXiv:2207.12547}, year={2022}}"
)


_FILES = {EXPERIMENTS: "The experiments as one file, without lists.", FLAT: "The executive summary as one file."}


def croissant(facts: Facts, about: About, *, tables: Sequence[str], sums: Mapping[str, str]) -> str:
    """Describe the data set as JSON-LD: its files, and the experiments and the executive summary column by column.

    Args:
        facts: The facts in the data.
        about: The publisher's details.
        tables: Names of the partitioned tables.
        sums: Checksums of files, SHA-256 as hex, by their paths.
    """
    experiments, layout = f"{facts.num_experiments:,} experiments", ""
    if facts.of_networks:
        experiments += " on fully connected neural networks"
        layout = ", in the layout of the BUTTER data set"
    described: dict[str, Any] = {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "name": "".join(letter if letter.isalnum() else "_" for letter in about.title),
        "description": f"{about.title}: training curves of {experiments}, {facts.num_runs:,} runs{layout}.",
        "license": about.licence_url,
        "version": f"{facts.ended.year}.{facts.ended.month}.{facts.ended.day}",
        "datePublished": facts.ended.isoformat(),
        **({"citeAs": _CITATION} if facts.of_networks else {}),
        "distribution": [*(_file(name, about, sums[name]) for name in _FILES), *(_file_set(table) for table in tables)],
        "recordSet": [
            _record_set("experiments", EXPERIMENTS, experiments_schema(facts.executive)),
            _record_set(EXECUTIVE, FLAT, facts.executive),
        ],
    }
    if about.creator:
        described["creator"] = {"@type": "sc:Organization", "name": about.creator}
    if about.url:
        described["url"] = about.url
    return json.dumps(described, indent=1) + "\n"


def _file(name: str, about: About, sha256: str) -> dict[str, Any]:
    return {
        "@type": "cr:FileObject",
        "@id": name,
        "name": name,
        "description": _FILES[name],
        "contentUrl": f"{about.url.rstrip('/')}/{name}" if about.url else name,
        "encodingFormat": _PARQUET,
        "sha256": sha256,
    }


def _file_set(table: str) -> dict[str, Any]:
    return {
        "@type": "cr:FileSet",
        "@id": f"{table}-files",
        "name": f"{table}-files",
        "description": f"The files of {table}/. The partition columns are in their paths.",
        "encodingFormat": _PARQUET,
        "includes": f"{table}/**/*.parquet",
    }


def _record_set(name: str, file: str, schema: pa.Schema) -> dict[str, Any]:
    return {
        "@type": "cr:RecordSet",
        "@id": name,
        "name": name,
        "description": "A row for each experiment: its settings, and statistics over its runs.",
        "key": {"@id": f"{name}/experiment_id"},
        "field": [_field(name, file, field) for field in schema],
    }


def _field(record_set: str, file: str, field: pa.Field) -> dict[str, Any]:
    is_list = pa.types.is_list(field.type)
    described = {
        "@type": "cr:Field",
        "@id": f"{record_set}/{field.name}",
        "name": field.name,
        "description": (field.metadata or {}).get(b"description", b"").decode(),
        "dataType": _data_type(field.type.value_type if is_list else field.type),
        "source": {"fileObject": {"@id": file}, "extract": {"column": field.name}},
    }
    return described | {"repeated": True} if is_list else described


def _data_type(kind: pa.DataType) -> str:
    if pa.types.is_boolean(kind):
        return "sc:Boolean"
    if pa.types.is_string(kind):
        return "sc:Text"
    return "sc:Integer" if pa.types.is_integer(kind) else "sc:Float"
