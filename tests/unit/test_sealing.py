"""Sealed credentials: what was sealed opens, in its place and under its key, and in no other way."""

import base64
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from worker.accounts.sealing import KEY_BYTES, Keyring, SealingError, add_key, keys_in, read_keys, version_of

KEYS = Keyring({1: b"1" * KEY_BYTES, 2: b"2" * KEY_BYTES})
IDS = st.from_regex(r"[A-Za-z0-9_-]{1,128}", fullmatch=True)
CREDENTIALS = st.sampled_from(["api_key", "secret", "passphrase"])
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
SECRET = "a secret nobody may see"


def encoded(key: bytes) -> str:
    return base64.b64encode(key).decode()


@given(st.text(), IDS, CREDENTIALS)
def test_what_was_sealed_opens_in_its_place(secret: str, account_id: str, credential: str) -> None:
    sealed = KEYS.seal(secret, account_id, credential)
    assert version_of(sealed) == 2
    assert KEYS.open(sealed, account_id, credential) == secret


@given(IDS, IDS)
def test_what_was_moved_to_another_account_does_not_open(account_id: str, other: str) -> None:
    assume(account_id != other)
    sealed = KEYS.seal(SECRET, account_id, "secret")
    with pytest.raises(SealingError, match="for another account or credential"):
        KEYS.open(sealed, other, "secret")


def test_what_was_moved_to_another_credential_does_not_open() -> None:
    with pytest.raises(SealingError, match="for another account or credential"):
        KEYS.open(KEYS.seal(SECRET, "a", "secret"), "a", "api_key")


@given(st.data())
def test_what_was_altered_in_any_place_does_not_open(data: st.DataObject) -> None:
    head, _, body = KEYS.seal(SECRET, "a", "secret").rpartition(":")
    place = data.draw(st.integers(0, len(body) - 2))  # the last character holds bits that mean nothing
    letter = data.draw(st.sampled_from(ALPHABET.replace(body[place], "")))
    with pytest.raises(SealingError) as raised:
        KEYS.open(f"{head}:{body[:place]}{letter}{body[place + 1 :]}", "a", "secret")
    assert SECRET not in str(raised.value)


@given(st.integers(0, 60))
def test_what_was_cut_off_does_not_open(length: int) -> None:
    sealed = KEYS.seal(SECRET, "a", "secret")
    with pytest.raises(SealingError):
        KEYS.open(sealed[:length], "a", "secret")


@given(st.text())
def test_no_text_opens_by_chance(text: str) -> None:
    with pytest.raises(SealingError):
        KEYS.open(f"sealed:v1:{text}", "a", "secret")


def test_the_same_secret_is_never_sealed_alike() -> None:
    assert len({KEYS.seal(SECRET, "a", "secret") for _ in range(100)}) == 100


def test_the_newest_key_seals_and_all_open() -> None:
    old = Keyring({1: b"1" * KEY_BYTES}).seal(SECRET, "a", "secret")
    assert KEYS.newest == 2
    assert KEYS.open(old, "a", "secret") == SECRET


def test_a_version_that_is_not_there_is_named_with_those_that_are() -> None:
    sealed = Keyring({7: b"7" * KEY_BYTES}).seal(SECRET, "a", "secret")
    with pytest.raises(SealingError, match=r"under key v7, and PERPS_DMA_SEALING_KEYS holds only v1, v2"):
        KEYS.open(sealed, "a", "secret")


def test_another_key_of_the_same_version_does_not_open() -> None:
    sealed = Keyring({2: b"x" * KEY_BYTES}).seal(SECRET, "a", "secret")
    with pytest.raises(SealingError, match="under another key of that version"):
        KEYS.open(sealed, "a", "secret")


def test_keys_are_read_from_a_file_with_comments(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_text(f"# made in May\nv1:{encoded(b'1' * KEY_BYTES)}\n\nv2:{encoded(b'2' * KEY_BYTES)}  # the newest\n")
    file.chmod(0o600)
    assert read_keys(str(file)).open(KEYS.seal(SECRET, "a", "secret"), "a", "secret") == SECRET


def test_keys_are_read_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("THE_KEYS", f"v1:{encoded(b'1' * KEY_BYTES)} v2:{encoded(b'2' * KEY_BYTES)}")
    assert read_keys("env:THE_KEYS").newest == 2
    with pytest.raises(SealingError, match=r"NO_KEYS_HERE.* is not set"):
        read_keys("env:NO_KEYS_HERE")


@pytest.mark.parametrize("mode", [0o644, 0o604, 0o660, 0o620, 0o602, 0o601])
def test_a_file_of_keys_that_is_open_to_others_is_refused(tmp_path: Path, mode: int) -> None:
    file = tmp_path / "keys"
    file.write_text(f"v1:{encoded(b'1' * KEY_BYTES)}")
    file.chmod(mode)
    with pytest.raises(SealingError, match=r"open to others.*chmod 600"):
        read_keys(str(file))


@pytest.mark.parametrize("mode", [0o600, 0o400, 0o440, 0o640])
def test_a_file_of_keys_may_be_read_by_its_group_as_kubernetes_mounts_it(tmp_path: Path, mode: int) -> None:
    file = tmp_path / "keys"
    file.write_text(f"v1:{encoded(b'1' * KEY_BYTES)}")
    file.chmod(mode)
    assert read_keys(str(file)).newest == 1


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "no sealing keys"),
        (f"v1:{encoded(b'short')}", "with 32 bytes"),
        (f"v0:{encoded(b'1' * KEY_BYTES)}", "is written v1:BASE64"),
        (encoded(b"1" * KEY_BYTES), "is written v1:BASE64"),
        ("v1:=====", "with 32 bytes"),
        (f"v1:{encoded(b'1' * KEY_BYTES)} v1:{encoded(b'2' * KEY_BYTES)}", "two keys v1"),
    ],
)
def test_keys_that_can_not_be_used_are_refused_and_not_repeated(text: str, problem: str) -> None:
    with pytest.raises(SealingError, match=problem) as raised:
        Keyring(keys_in(text, "the file"))
    assert encoded(b"1" * KEY_BYTES) not in str(raised.value)


@pytest.mark.parametrize("where", [None, "", "/nonexistent/keys"])
def test_without_keys_it_is_said_how_to_get_some(where: str | None) -> None:
    with pytest.raises(SealingError, match=r"PERPS_DMA_SEALING_KEYS.*accounts new-key"):
        read_keys(where)


def test_a_new_key_is_added_and_those_before_stay(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    assert add_key(file) == 1
    sealed = read_keys(str(file)).seal(SECRET, "a", "secret")
    file.write_text("# ours\n" + file.read_text().rstrip())
    file.chmod(0o640)
    assert add_key(file) == 2
    keys = read_keys(str(file))
    assert (keys.newest, keys.open(sealed, "a", "secret")) == (2, SECRET)
    assert file.read_text().startswith("# ours\nv1:")
    assert file.stat().st_mode & 0o777 == 0o640


def test_a_file_of_keys_is_begun_for_its_owner_alone(tmp_path: Path) -> None:
    add_key(tmp_path / "keys")
    assert (tmp_path / "keys").stat().st_mode & 0o777 == 0o600
