"""Model folders: names, versions, who wins, loaded once; and what the metrics say of it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from reelwire.engines.select import Wanted
from reelwire.errors import BadParameter, ModelUnusable, UnknownModel
from reelwire.metrics import REGISTRY
from reelwire.models import ModelLibrary
from reelwire.models.library import SHIPPED
from reelwire.models.location import natural_key
from tests.reelwire.models import graphs


def test_models_are_found_in_all_their_places(tmp_path: Path) -> None:
    graphs.gain(tmp_path / "plain.onnx")
    graphs.gain(tmp_path / "folder" / "model.onnx")
    graphs.gain(tmp_path / "any" / "exported_by_someone.onnx")
    graphs.gain(tmp_path / "versions" / "1" / "model.onnx")
    graphs.gain(tmp_path / ".hidden" / "model.onnx")
    (tmp_path / "notes.txt").write_text("no model")
    library = ModelLibrary([tmp_path])
    shipped = {entry.name for entry in ModelLibrary([]).list()}
    assert {entry.name for entry in library.list()} - shipped == {"plain", "folder", "any", "versions"}
    library.close()


def test_the_newest_version_is_meant_unless_one_is_named(tmp_path: Path) -> None:
    for number, version in enumerate(["1.9", "1.10", "1.2"]):
        graphs.gain(tmp_path / "net" / version / "model.onnx", shift=number + 1)
    library = ModelLibrary([tmp_path])
    assert library.open("net").version == "1.10"
    assert library.open("net@1.2").version == "1.2"
    assert library.open("net@1.10") is library.open("net")
    assert [entry.version for entry in library.list() if entry.name == "net"] == ["1.10", "1.9", "1.2"]
    with pytest.raises(
        UnknownModel, match=r'version of model "net" "1\.3" not found.*available: 1\.10, 1\.2, 1\.9'
    ):
        library.open("net@1.3")
    library.close()


def test_versions_are_ordered_as_people_count() -> None:
    names = ["10", "9", "1.10", "1.9", "2024-01-02", "v2", "v10"]
    assert sorted(names, key=natural_key) == ["v2", "v10", "1.9", "1.10", "9", "10", "2024-01-02"]


def test_the_first_folder_that_has_a_name_decides_and_ours_come_last(tmp_path: Path) -> None:
    graphs.gain(tmp_path / "a" / "identity.onnx")
    graphs.gain(tmp_path / "b" / "identity.onnx", layout="NHWC")
    library = ModelLibrary([tmp_path / "a", tmp_path / "b"])
    assert library.open("identity").files.location.graph == tmp_path / "a" / "identity.onnx"
    library.close()
    assert ModelLibrary([]).open("identity").files.location.graph.is_relative_to(SHIPPED)


def test_an_unknown_model_is_answered_with_the_nearest_name() -> None:
    with pytest.raises(UnknownModel, match='model "identify" not found; did you mean "identity"'):
        ModelLibrary([]).open("identify")


@pytest.mark.parametrize("name", ["../identity", "/etc/passwd", "identity/../identity", "a\x00b", ".", ""])
def test_names_never_lead_out_of_the_folders(name: str) -> None:
    with pytest.raises(UnknownModel):
        ModelLibrary([]).open(name)


def test_a_model_folder_that_is_missing_is_an_error_at_start(tmp_path: Path) -> None:
    with pytest.raises(BadParameter, match="REELWIRE_MODEL_PATH"):
        ModelLibrary([tmp_path / "nowhere"])


def test_a_broken_model_is_listed_with_its_problem_and_harms_no_other(tmp_path: Path) -> None:
    (tmp_path / "broken.onnx").write_bytes(b"PK\x03\x04")
    graphs.gain(tmp_path / "good.onnx", scale=2)
    library = ModelLibrary([tmp_path])
    entries = {entry.name: entry for entry in library.list()}
    assert "PyTorch" in entries["broken"].problem
    assert (entries["good"].problem, entries["good"].scale, entries["good"].task) == ("", 2, "image-to-image")
    with pytest.raises(ModelUnusable, match=r'model "broken": broken\.onnx is a zip archive'):
        library.open("broken")
    library.close()


def test_a_listing_sees_files_that_change_and_streams_keep_what_they_have(tmp_path: Path) -> None:
    path = graphs.gain(tmp_path / "net.onnx")
    library = ModelLibrary([tmp_path])

    def listed() -> str:
        return next(entry.sha256 for entry in library.list() if entry.name == "net")

    model, before = library.open("net"), listed()
    graphs.gain(path, shift=0.5, scale=2)
    assert listed() != before
    assert library.open("net") is model
    assert model.sha256 == before
    library.close()


def test_many_streams_load_a_model_once(tmp_path: Path) -> None:
    graphs.gain(tmp_path / "net.onnx", multiple=8)
    library = ModelLibrary([tmp_path])
    with ThreadPoolExecutor(8) as pool:
        models = list(pool.map(library.open, ["net"] * 16))
    assert all(model is models[0] for model in models)
    library.close()


def test_backends_are_checked_before_the_model() -> None:
    library = ModelLibrary([])
    with pytest.raises(BadParameter, match="abacus"):
        library.open("nothing", Wanted("abacus"))


def test_what_a_stream_is_pinned_to_is_complete(tmp_path: Path) -> None:
    graphs.gain(tmp_path / "net" / "7" / "model.onnx")
    library = ModelLibrary([tmp_path])
    pinned = library.open("net").pinned("generator")
    assert (pinned.stage, pinned.name, pinned.version) == ("generator", "net", "7")
    assert (pinned.backend, pinned.precision, len(pinned.sha256)) == ("onnxruntime", "fp32", 64)
    library.close()


def test_loaded_models_their_engines_and_every_run_are_in_the_metrics(tmp_path: Path) -> None:
    graphs.gain(tmp_path / "measured" / "3" / "model.onnx")
    library = ModelLibrary([tmp_path])
    model = library.open("measured")
    info = {"model": "measured", "version": "3", "sha": model.sha256[:12]}
    engine = {
        "backend": "onnxruntime",
        "device": "cpu",
        "precision": "fp32",
        "threads": "1",
        "model": "measured",
    }
    run = {"model": "measured", "backend": "onnxruntime", "precision": "fp32"}
    assert REGISTRY.get_sample_value("reelwire_model_info", info) == 1
    assert REGISTRY.get_sample_value("reelwire_engine_info", engine) == 1
    assert REGISTRY.get_sample_value("reelwire_engine_run_seconds_count", run) == 0
    for _ in range(3):
        model.engine.run({"frame": np.zeros((1, 3, 8, 8), np.float32)})
    assert REGISTRY.get_sample_value("reelwire_engine_run_seconds_count", run) == 3
    library.close()
    assert REGISTRY.get_sample_value("reelwire_model_info", info) is None
    assert REGISTRY.get_sample_value("reelwire_engine_info", engine) is None


def test_two_versions_of_a_model_and_their_metrics_end_one_after_the_other(tmp_path: Path) -> None:
    for version in ("1", "2"):
        graphs.gain(tmp_path / "twins" / version / "model.onnx", shift=float(version))
    library = ModelLibrary([tmp_path])
    library.open("twins@1")
    library.open("twins@2")
    library.close()
    library.close()
