import subprocess
import sys
from pathlib import Path

from milepost_local.kafka_jars import KAFKA_VERSION, kafka_classpath

_PRINT_JARS = """
import sys; from pathlib import Path; from milepost_local.kafka_jars import kafka_classpath
print(*kafka_classpath(Path(sys.argv[1])), sep="\\n")
"""


def test_two_first_resolutions_at_once_get_the_same_jars(tmp_path: Path) -> None:
    command = [sys.executable, "-c", _PRINT_JARS, str(tmp_path)]
    with (
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as one,
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as other,
    ):
        jars = one.communicate()[0].split()
        assert other.communicate()[0].split() == jars
    names = {Path(jar).name for jar in jars}
    assert {f"kafka_2.13-{KAFKA_VERSION}.jar", f"kafka-clients-{KAFKA_VERSION}.jar"} <= names


def test_a_jar_that_was_removed_since_is_resolved_again(tmp_path: Path) -> None:
    listed = tmp_path / f"kafka-{KAFKA_VERSION}.classpath"
    listed.write_text("/gone/kafka.jar")

    jars = kafka_classpath(tmp_path)

    assert all(jar.exists() for jar in jars)
    assert listed.read_text().splitlines() == [str(jar) for jar in jars]
