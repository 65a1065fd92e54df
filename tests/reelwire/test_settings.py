"""The environment: read once, every wrong value named."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from pydantic import ValidationError

from reelwire.errors import BadParameter
from reelwire.settings import PREFIX, Settings, load_settings


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith(PREFIX)]:
        monkeypatch.delenv(name)


def test_nothing_set_is_a_service_on_loopback_without_inputs() -> None:
    settings = load_settings()
    assert settings.host == "127.0.0.1"
    assert settings.input_root is None
    assert settings.input_urls == settings.input_devices == ""


def test_values_come_from_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("REELWIRE_STREAM_SLOTS", "3")
    monkeypatch.setenv("REELWIRE_INPUT_ROOT", str(tmp_path))
    monkeypatch.setenv("REELWIRE_DRAIN_S", "")
    settings = load_settings()
    assert (settings.stream_slots, settings.input_root, settings.drain_s) == (3, tmp_path, 30)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("REELWIRE_STREAM_SLOTS", "0"),
        ("REELWIRE_STREAM_SLOTS", "many"),
        ("REELWIRE_PORT", "70000"),
        ("REELWIRE_MAX_MESSAGE_BYTES", "10"),
        ("REELWIRE_STALL_TIMEOUT_S", "0"),
        ("REELWIRE_LOG_LEVEL", "loud"),
    ],
)
def test_a_wrong_value_is_named_with_its_variable(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(BadParameter, match=f"{name}='{value}'") as caught:
        load_settings()
    assert caught.value.field == name


def test_a_misspelt_variable_is_answered_with_the_right_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REELWIRE_STREAM_SLOT", "3")
    with pytest.raises(BadParameter, match='did you mean "REELWIRE_STREAM_SLOTS"'):
        load_settings()


@pytest.mark.parametrize("host", ["0.0.0.0", "10.0.0.5", "::"])
def test_an_open_address_needs_the_operators_word(monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    monkeypatch.setenv("REELWIRE_HOST", host)
    with pytest.raises(BadParameter, match="REELWIRE_INSECURE=1"):
        load_settings()
    monkeypatch.setenv("REELWIRE_INSECURE", "1")
    assert load_settings().host == host


def test_settings_cannot_change_once_read() -> None:
    with pytest.raises(ValidationError):
        load_settings().port = 5  # type: ignore[misc]


def test_a_hop_may_have_several_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REELWIRE_EDITOR_ADDR", "dns:///a:1, b:2 ,")
    settings = load_settings()
    assert settings.addresses("editor") == ("dns:///a:1", "b:2")
    assert settings.addresses("encoder") == ()


def test_every_setting_says_what_it_is() -> None:
    assert [name for name, field in Settings.model_fields.items() if not field.description] == []
