"""A live process's configuration: its model is at an alias that there is, or a version."""

import pytest

from pipelines.errors import ConfigError
from pipelines.live import load_live
from serving.config import ModelConfig


def written(folder, alias):
    path = folder / "serve.toml"
    path.write_text(f'name = "paper"\n[model]\nname = "tiny"\nalias = "{alias}"\n')
    return path


@pytest.mark.parametrize("alias", ["champion", "challenger", "12"])
def test_aliases_and_versions_are_taken(tmp_path, alias):
    assert load_live(written(tmp_path, alias)).model == ModelConfig(name="tiny", alias=alias)


@pytest.mark.parametrize("alias", ["champoin", "@champion"])
def test_another_alias_is_refused_when_the_file_is_read(tmp_path, alias):
    path = written(tmp_path, alias)
    with pytest.raises(ConfigError, match=rf"{path}: model\.alias: there is no alias '{alias}'.* mean 'champion'"):
        load_live(path)


@pytest.mark.parametrize("alias", ["²", "production", ""])
def test_what_is_like_none_gets_the_list(tmp_path, alias):
    with pytest.raises(ConfigError, match="only challenger and champion"):
        load_live(written(tmp_path, alias))
