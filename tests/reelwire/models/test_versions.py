"""New versions while a library is in use: offered, refused, freed."""

import gc
import logging
import shutil
import weakref
from pathlib import Path

import numpy as np
import pytest

from reelwire.engines.graph import sha256_of
from reelwire.engines.select import Wanted
from reelwire.errors import ModelUnusable
from reelwire.metrics import REGISTRY
from reelwire.models import ModelLibrary
from reelwire.models.loading import read_files
from reelwire.models.location import locate
from reelwire.models.watcher import Watcher
from tests.reelwire.models import graphs


def version(folder: Path, number: str, *, name: str = "net") -> Path:
    """A version that adds its own number to every value."""
    return graphs.gain(folder / name / number / "model.onnx", shift=float(number))


def look_twice(library: ModelLibrary) -> None:
    """What appeared is seen on the first look, and taken on the second: it may still be being copied."""
    library.refresh()
    library.refresh()


def counted(outcome: str, name: str = "net") -> float:
    """Versions offered or refused so far."""
    return (
        REGISTRY.get_sample_value("reelwire_model_versions_total", {"model": name, "outcome": outcome}) or 0
    )


def test_a_new_version_is_offered_to_new_streams_and_running_ones_keep_theirs(tmp_path: Path) -> None:
    version(tmp_path, "1")
    library = ModelLibrary([tmp_path])
    old, before = library.open("net"), counted("offered")
    version(tmp_path, "2")
    library.refresh()
    assert library.open("net") is old, "it was not looked at twice"
    library.refresh()
    assert (library.open("net").version, old.version) == ("2", "1")
    assert old.engine.run({"frame": np.zeros((1, 3, 8, 8), np.float32)})["result"].max() == 1
    assert counted("offered") == before + 1
    library.close()


def test_a_broken_version_is_refused_once_counted_logged_and_the_older_one_serves(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    version(tmp_path, "1")
    library = ModelLibrary([tmp_path])
    old, before = library.open("net"), counted("refused")
    broken = tmp_path / "net" / "2" / "model.onnx"
    broken.parent.mkdir()
    broken.write_bytes((tmp_path / "net" / "1" / "model.onnx").read_bytes()[:-40])
    with caplog.at_level(logging.ERROR, "reelwire.models"):
        for _ in range(4):
            library.refresh()
            assert library.open("net") is old
    assert counted("refused") == before + 1
    assert len([line for line in caplog.messages if "is refused, what was offered goes on" in line]) == 1
    version(tmp_path, "2")
    look_twice(library)
    assert library.open("net").version == "2", "it was repaired"
    library.close()


def test_a_version_that_does_not_give_its_own_sample_is_refused(tmp_path: Path) -> None:
    version(tmp_path, "1")
    library = ModelLibrary([tmp_path])
    old = library.open("net")
    with_sample(version(tmp_path, "2"), shift=2.5)
    look_twice(library)
    assert library.open("net") is old
    with pytest.raises(ModelUnusable, match=r'model "net": on onnxruntime it is off its own sample by 0\.5'):
        library.open("net@2")
    with_sample(version(tmp_path, "3"), shift=3)
    look_twice(library)
    assert library.open("net").version == "3"
    library.close()


def test_a_newer_version_beside_a_refused_one_is_found(tmp_path: Path) -> None:
    version(tmp_path, "1")
    library = ModelLibrary([tmp_path])
    library.open("net")
    (tmp_path / "net" / "3").mkdir()
    (tmp_path / "net" / "3" / "model.onnx").write_bytes(b"PK\x03\x04")
    version(tmp_path, "2")
    for _ in range(4):
        library.refresh()
    assert library.open("net").version == "2"
    library.close()


def test_at_the_start_a_broken_newest_version_is_passed_over(tmp_path: Path) -> None:
    version(tmp_path, "1")
    (tmp_path / "net" / "2").mkdir()
    (tmp_path / "net" / "2" / "model.onnx").write_bytes(b"")
    library, before = ModelLibrary([tmp_path]), counted("refused")
    assert library.open("net").version == "1"
    assert counted("refused") == before + 1
    library.close()


def test_files_replaced_in_place_are_a_new_version_and_streams_keep_the_old(tmp_path: Path) -> None:
    path = graphs.gain(tmp_path / "net.onnx", shift=1)
    library = ModelLibrary([tmp_path])
    old = library.open("net")
    graphs.gain(path, shift=2, scale=2)
    look_twice(library)
    new = library.open("net")
    assert (old.spec.scale, new.spec.scale) == (1, 2)
    assert old.sha256 != new.sha256
    library.close()


def test_the_last_stream_of_an_old_version_frees_its_memory(tmp_path: Path) -> None:
    version(tmp_path, "1")
    library = ModelLibrary([tmp_path])
    first, second = library.open("net"), library.open("net")
    session = weakref.ref(first.engine)
    info = {"model": "net", "version": "1", "sha": first.sha256[:12]}
    version(tmp_path, "2")
    look_twice(library)
    library.release(first)
    assert REGISTRY.get_sample_value("reelwire_model_info", info) == 1, "another stream has it"
    library.release(second)
    assert REGISTRY.get_sample_value("reelwire_model_info", info) is None
    del first, second
    gc.collect()
    assert session() is None
    library.close()


def test_what_is_offered_stays_loaded_without_streams(tmp_path: Path) -> None:
    version(tmp_path, "1")
    library = ModelLibrary([tmp_path])
    model = library.open("net")
    library.release(model)
    assert library.open("net") is model
    library.close()


def test_a_version_removed_from_disk_goes_on_serving_until_there_is_another(tmp_path: Path) -> None:
    version(tmp_path, "1")
    version(tmp_path, "2")
    library = ModelLibrary([tmp_path])
    assert library.open("net").version == "2"
    shutil.rmtree(tmp_path / "net" / "2")
    look_twice(library)
    assert library.open("net").version == "1", "the newest that is there"
    library.close()


def test_a_watcher_finds_a_new_version_by_itself_and_ends(tmp_path: Path) -> None:
    version(tmp_path, "1")
    library = ModelLibrary([tmp_path])
    library.open("net")
    watcher = Watcher(library, 0.01)
    version(tmp_path, "2")
    for _ in range(20000):
        if library.open("net").version == "2":
            break
    else:
        pytest.fail("the new version was never offered")
    watcher.close()
    library.close()


def with_sample(graph: Path, shift: float) -> None:
    """A sample that says that the model adds ``shift``."""
    zeros = np.zeros((1, 3, 8, 8), np.float32)
    sample = graph.parent / "sample.npz"
    np.savez(sample, **{"input frame": zeros, "output result": zeros + np.float32(shift)})  # type: ignore[arg-type]
    (graph.parent / "model.toml").write_text(
        f'[sample]\nfile = "sample.npz"\nsha256 = "{sha256_of((sample,))}"\n'
    )


def test_a_better_engine_is_for_new_streams_alone_and_the_old_one_is_freed_with_its_last(
    tmp_path: Path,
) -> None:
    version(tmp_path, "1")
    library, loaded = ModelLibrary([tmp_path]), []
    library.on_loaded(lambda key, model: loaded.append((key, model)))
    old = library.open("net")
    ((key, told),) = loaded
    assert told is old
    new = library.renew(key)
    assert new is not None
    assert new is not old
    assert library.open("net") is new
    assert old.engine.run({"frame": np.zeros((1, 3, 8, 8), np.float32)})["result"].max() == 1, "still there"
    library.release(old)
    newest = library.renew(key)
    assert newest not in (None, old, new)
    assert library.open("net") is newest
    assert len(loaded) == 1, "whoever renews it knows"
    library.close()
    assert library.renew(key) is None, "nothing is loaded any more"


def test_a_versions_own_folder_can_be_named_where_one_model_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = graphs.gain(tmp_path / "net" / "2" / "model.onnx").parent
    (folder / "model.toml").write_text('name = "net"\n')
    monkeypatch.chdir(folder)
    for path in (folder, folder / "model.onnx", Path("."), Path("model.onnx")):
        files = read_files(locate(path))
        assert (files.location.name, files.version) == ("net", "2")
    monkeypatch.chdir(graphs.gain(tmp_path / "other" / "model.onnx").parent)
    assert locate(Path(".")).name == "other"


def test_a_version_that_a_stream_named_before_it_is_offered_is_loaded_once_and_freed(tmp_path: Path) -> None:
    version(tmp_path, "1")
    library = ModelLibrary([tmp_path])
    old = library.open("net")
    version(tmp_path, "2")
    named = library.open("net@2")
    look_twice(library)
    assert library.open("net") is named
    for model in (named, named):
        library.release(model)
    freed = weakref.ref(named.engine)
    del named, model
    version(tmp_path, "3")
    look_twice(library)
    gc.collect()
    assert freed() is None, "nobody uses it and it is not offered"
    library.release(old)
    library.close()


def test_what_one_stream_asks_for_and_a_version_lacks_refuses_it_for_nobody_else(tmp_path: Path) -> None:
    version(tmp_path, "1")
    version(tmp_path, "2")
    library, before = ModelLibrary([tmp_path]), counted("refused")
    with pytest.raises(ModelUnusable, match="int8"):
        library.open("net", Wanted("onnxruntime", "int8"))
    assert library.open("net").version == "2"
    assert counted("refused") == before
    library.close()


def test_a_version_whose_files_arrive_one_after_the_other_is_offered_once_all_are_there(
    tmp_path: Path,
) -> None:
    version(tmp_path, "1")
    library = ModelLibrary([tmp_path])
    library.open("net")
    graph = version(tmp_path, "2")
    with_sample(graph, shift=2)
    late = (graph.parent / "sample.npz").read_bytes()
    (graph.parent / "sample.npz").unlink()
    look_twice(library)
    assert library.open("net").version == "1"
    (graph.parent / "sample.npz").write_bytes(late)
    look_twice(library)
    assert library.open("net").version == "2"
    library.close()


def test_a_way_that_only_one_stream_named_does_not_keep_a_new_version_from_all(tmp_path: Path) -> None:
    first = version(tmp_path, "1")
    (first.parent / "model.int8.onnx").write_bytes(first.read_bytes())
    (first.parent / "model.toml").write_text(
        '[[variants]]\nfile = "model.int8.onnx"\nprecision = "int8"\nform = "u8s8"\n'
        f'sha256 = "{sha256_of((first,))}"\n'
    )
    library = ModelLibrary([tmp_path])
    library.open("net")
    library.open("net", Wanted("onnxruntime", "int8"))
    before = counted("refused")
    version(tmp_path, "2")
    look_twice(library)
    assert library.open("net").version == "2"
    assert counted("refused") == before
    with pytest.raises(ModelUnusable, match="int8"):
        library.open("net", Wanted("onnxruntime", "int8"))
    library.close()
