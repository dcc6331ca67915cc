"""docs/record.schema.json fits every record that is kept here, and refuses each of them with one thing changed."""

import copy
import os
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import record_schema  # noqa: E402

RUNS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "results", "reference")
FREE = "where"  # an object whose keys are the experiment's


def places(value, path=()):
    """Every place of a JSON value: (path, value)."""
    yield path, value
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, item in items:
        yield from places(item, path + (step,))


def trimmed(value):
    """The same with three items of each list: enough to be changed, and quick to be checked many times."""
    if isinstance(value, dict):
        return {key: trimmed(item) for key, item in value.items()}
    return [trimmed(item) for item in value[:3]] if isinstance(value, list) else value


def kinds_of_places(records):
    """One place of each kind in all of them, (record, path, value): metrics/3/value is of a kind with metrics/0/value."""
    seen = {}
    for record in records:
        for path, value in places(record):
            kind = tuple("*" if isinstance(step, int) else step for step in path)
            seen.setdefault(kind, (record, path, value))
    return seen.values()


def changed(record, path, change):
    """A copy in which change(holder, last step of the path) was made."""
    record = copy.deepcopy(record)
    holder = record
    for step in path[:-1]:
        holder = holder[step]
    change(holder, path[-1])
    return record


def put(value):
    return lambda holder, step: holder.__setitem__(step, value)


class Records(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.checker = record_schema.validator()
        cls.files = record_schema.records_in(RUNS)
        # Every kind of claim, a skipped one, one with sweep and maps.
        by_size = sorted(cls.files, key=os.path.getsize)
        cls.records = [record_schema.read(file) for file in by_size]
        chosen = {record["kind"]: record for record in reversed(cls.records) if record["metrics"]}
        chosen["maps"] = next(record for record in cls.records if record["maps"] and record.get("variations"))
        chosen["first edition"] = next(record for record in cls.records if record["schema"] == 1)
        chosen["skipped"] = next(record for record in cls.records if record["inapplicable"])
        cls.chosen = [trimmed(record) for record in chosen.values()]

    def refuse(self, record, what):
        self.assertTrue(record_schema.findings(self.checker, record), f"{record.get('claim')}: {what} was taken")

    def test_every_recorded_run_fits(self):
        self.assertGreaterEqual(len(self.files), 37)
        for file, record in zip(sorted(self.files, key=os.path.getsize), self.records):
            self.assertEqual(record_schema.findings(self.checker, record), [], file)

    def test_no_recorded_interval_excludes_its_estimate(self):
        for record in self.records:
            if record["schema"] == 1:
                continue
            for metric in record["metrics"]:
                if metric["value"] is None or metric.get("low") is None:
                    continue
                slack = 1e-9 * abs(metric["value"])
                inside = metric["low"] - slack <= metric["value"] <= metric["high"] + slack
                self.assertTrue(inside, (record["model"]["name"], record["claim"], metric))

    def test_a_value_of_another_type_is_refused_everywhere(self):
        kinds = [place for place in kinds_of_places(self.chosen) if place[1]]
        self.assertGreater(len(kinds), 100)
        for record, path, value in kinds:
            self.refuse(changed(record, path, put([] if isinstance(value, dict) else {})), path)

    def test_an_unknown_key_is_refused_everywhere(self):
        for record, path, value in kinds_of_places(self.chosen):
            if isinstance(value, dict) and FREE not in path:
                self.refuse(changed(record, path + ("unknown",), put(1)), path)

    def test_a_key_that_every_reader_needs_is_missed(self):
        needed = self.checker.schema["required"]
        self.assertIn("thresholds_sha256", needed)
        for key in needed:
            self.refuse(changed(self.chosen[0], (key,), lambda holder, step: holder.pop(step)), key)

    def test_words_and_numbers_out_of_range_are_refused(self):
        record = next(record for record in self.chosen if record["criteria"] and record["controls"])
        for path, value in (
            (("schema",), 3),
            (("claim",), "../elsewhere"),
            (("kind",), "observation"),
            (("verdict",), "passed"),
            (("known_verdict",), "known"),
            (("seed",), -1),
            (("seconds",), -0.1),
            (("thresholds_sha256",), "00"),
            (("inputs", 0, "kind"), "prose"),
            (("environment", "dtype"), "float8"),
            (("metrics", 0, "n"), 1.5),
            (("metrics", 0, "where"), {"layer": "3"}),
            (("criteria", 0, "op"), "=="),
            (("criteria", 0, "outcome"), "negative"),
            (("controls", 0, "fraction"), 0),
        ):
            self.refuse(changed(record, path, put(value)), path)

    def test_what_was_recorded_has_one_name_in_each_schema(self):
        record = next(record for record in self.chosen if record["schema"] == 1)
        known = {"run": "a_run", "profile": "cpu", "thresholds_sha256": record["thresholds_sha256"], "verdict": "pass"}
        record = changed(record, ("registered",), put(known))
        self.assertEqual(record_schema.findings(self.checker, record), [])
        self.refuse(changed(record, ("schema",), put(2)), "a name of schema 1")
        renamed = changed(record, ("registered",), lambda holder, step: holder.update(recorded=holder.pop(step)))
        self.refuse(renamed, "a name of schema 2")
        second = {key: value for key, value in renamed.items() if key not in ("rivals", "sweep")} | {"schema": 2}
        self.assertEqual(record_schema.findings(self.checker, second), [])
        for key in ("rivals", "sweep"):
            self.refuse(second | {key: record[key]}, f"{key} of schema 1")

    def test_half_an_interval_is_refused(self):
        record = next(record for record in self.chosen if "low" in record["metrics"][0])
        self.refuse(changed(record, ("metrics", 0, "low"), lambda holder, step: holder.pop(step)), "no low")

    def test_curves_of_unequal_columns_are_refused(self):
        record = next(record for record in self.chosen if record["series"])
        self.refuse(changed(record, ("series", 0, "y"), lambda holder, step: holder[step].pop()), "a short y")

    def test_numbers_that_are_no_json_are_refused(self):
        with self.assertRaisesRegex(ValueError, "NaN is no JSON"):
            path = os.path.join(os.environ.get("TMPDIR", "/tmp"), f"record-{os.getpid()}.json")
            self.addCleanup(os.remove, path)
            with open(path, "w", encoding="utf-8") as file:
                file.write('{"value": NaN}')
            record_schema.read(path)


if __name__ == "__main__":
    unittest.main()
