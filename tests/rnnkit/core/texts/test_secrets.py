import pytest

from rnnkit.core import files, secrets
from rnnkit.core.errors import UserError


NO_SECRETS = ("GIT_AUTHOR_NAME", "KEYBOARD_LAYOUT", "AUTHOR", "TOKENIZERS_PARALLELISM", "MONKEY", "KEY_FOLDER")
SECRETS = ("WANDB_API_KEY", "GITHUB_TOKEN", "PGPASSWORD", "DB_PASSWD", "MYSQL_PWD", "MY_SECRET", "AWS_CREDENTIALS")


@pytest.mark.parametrize("name", NO_SECRETS)
def test_a_variable_that_is_called_a_little_like_a_secret_is_none(monkeypatch, name):
    monkeypatch.setenv(name, "some-user")
    assert secrets.without_secrets("/home/some-user/data.csv") == "/home/some-user/data.csv"
    secrets.require_none({"data": "/home/some-user/data.csv"})


@pytest.mark.parametrize("name", [*SECRETS, "APIKEY", "DEPLOY_KEY2", "SERVICE_AUTH"])
def test_a_setting_with_a_secret_is_refused_and_the_variable_named(monkeypatch, name):
    monkeypatch.setenv(name, "correct horse")
    assert secrets.without_secrets("with correct horse.") == "with ***."
    with pytest.raises(UserError, match=f"^--data-file holds the value of {name}, which is a secret: .* unset {name}$"):
        secrets.require_none({"depth": 1, "data_file": "/data/correct horse/x.csv"})


@pytest.mark.parametrize(
    "values",
    [{"data": "https://ghp_12@host/x"}, {"data": "postgresql://a:b@h/d"}, {"api_key": "x"}, {"password": "x"}],
)
def test_a_password_in_a_setting_is_refused(values):
    with pytest.raises(UserError, match="holds a password, which would stand in every record"):
        secrets.require_none(values)


def test_the_end_token_of_a_text_is_no_secret():
    secrets.require_none({"end_token": "<eos>", "password": ""})


def test_what_is_compared_later_is_written_as_it_is(tmp_path, monkeypatch):
    monkeypatch.setenv("SOME_KEY", "accuracy")
    files.write_json(
        tmp_path / "x.json", {"metrics": {"metric/accuracy": 1}, "reason": "accuracy"}, compared=["metrics"]
    )
    assert files.read_json(tmp_path / "x.json") == {"metrics": {"metric/accuracy": 1}, "reason": "***"}
