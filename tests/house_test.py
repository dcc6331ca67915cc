"""How the sources have to be, beyond what a compiler sees."""

import collections
import pathlib
import re
import unittest

ROOT = pathlib.Path(__file__).resolve().parent.parent
FOLDERS = ("experiments", "harness", "models", "reports", "tests")

# What hides braces and names: comments, raw strings, strings, characters, preprocessor lines (with continuations).
NOT_CODE = re.compile(
    r"""//[^\n]*|/\*.*?\*/|R"(?P<mark>[^(\s]*)\(.*?\)(?P=mark)"|"(?:\\.|[^"\\\n])*"|(?<![0-9a-fA-F])'(?:\\.|[^'\\\n])+'"""
    r"""|^[ \t]*\#(?:[^\n]*\\\n)*[^\n]*""",
    re.DOTALL | re.MULTILINE)
NAMESPACE = re.compile(r"\bnamespace(?P<name>[ \w:]*)$")
TYPE = re.compile(r"\b(?:struct|class|union|enum(?:\s+class|\s+struct)?)\s+(?:alignas\([^)]*\)\s*)?(?P<name>\w+)\s*(?:final\b)?\s*(?::(?!:)[^;{}()]*)?$")


def types_of(source):
    """(namespace, name) of each type that a source defines at namespace scope; an unnamed namespace is the file's own."""
    code = NOT_CODE.sub(" ", source)
    scopes, found, begin = [], [], 0  # a scope: the namespace's name, or None for a type's or a function's braces
    for at, sign in ((m.start(), m.group()) for m in re.finditer(r"[{};]", code)):
        head, begin = code[begin:at].strip(), at + 1
        if sign == "}":
            scopes.pop()
        elif sign == "{":
            if match := NAMESPACE.search(head):
                scopes.append(match["name"].strip())
                continue
            if None not in scopes and "" not in scopes and (match := TYPE.search(head)):
                found.append(("::".join(scopes), match["name"]))
            scopes.append(None)
    return found


CONSTANT = re.compile(r"\bconstexpr\b[^;={(]*\b(k[A-Z]\w*)\s*=")


def constants_of(source):
    """Names of the constants that a source defines, wherever they stand."""
    return set(CONSTANT.findall(NOT_CODE.sub(" ", source)))


def defined_twice(sources):
    """Of {file: text}: (namespace, name) -> files, for the types that several places define."""
    places = collections.defaultdict(list)
    for file, text in sources.items():
        for found in types_of(text):
            places[found].append(file)
    return {found: files for found, files in places.items() if len(files) > 1}


class Types(unittest.TestCase):
    def test_no_type_is_defined_twice_in_a_namespace(self):
        """Two definitions of one name in one program break C++'s one-definition rule, and no linker says so."""
        files = [*ROOT.glob("*.cpp"), *(file for folder in FOLDERS for kind in ("h", "cpp", "cu") for file in (ROOT / folder).rglob("*." + kind))]
        sources = {str(file.relative_to(ROOT)): file.read_text("utf-8") for file in files}
        self.assertGreater(sum(len(types_of(text)) for text in sources.values()), 200)
        self.assertEqual(defined_twice(sources), {})

    def test_the_scan_tells_twins_from_lookalikes(self):
        twin = "namespace a {\nstruct Column { int x; };\n}\n"
        cases = (
            ("the same name again", "namespace a { class Column final : public Base<int> { }; }", True),
            ("an enumeration", "namespace a {\nenum class Column : char { one };\n}", True),
            ("in an inline string", 'namespace a { const char* s = "struct Column {"; }', False),
            ("in a raw string", 'namespace a { const char* s = R"x(struct Column { " )x"; }', False),
            ("in a comment", "namespace a { // struct Column {\n/* class Column { */ }", False),
            ("another namespace", "namespace a::b { struct Column { }; }", False),
            ("nested, as one name", "namespace a { namespace b { struct Column { }; } }", False),
            ("the file's own", "namespace a { namespace { struct Column { }; } }", False),
            ("within a type", "namespace a { struct Table { struct Column { }; }; }", False),
            ("within a function", "namespace a { inline void f(int) { struct Column { }; } }", False),
            ("declared only", "namespace a { struct Column; class Column; }", False),
            ("used in a declaration", "namespace a { inline struct Column make() { return {}; } }", False),
            ("a type of a type", "namespace a { struct Column::Inner { int x; }; }", False),
            ("after a digit separator", "namespace a { constexpr int n = 1'000; struct Column { }; }", True),
            ("after a macro of lines", "#define X struct Column { \\\n  int y; }\nnamespace a { struct Other { }; }", False),
        )
        for what, text, found in cases:
            twins = defined_twice({"one.h": twin, "two.h": text})
            self.assertEqual(("a", "Column") in twins, found, what)


class Terms(unittest.TestCase):
    def test_a_number_that_defines_a_term_stands_in_one_place(self):
        """harness/survey.h says what a sink, a spike and a super neuron are; a second 0.2 would go its own way."""
        home = ROOT / "harness" / "survey.h"
        terms = constants_of(home.read_text("utf-8"))
        self.assertLessEqual({"kSinkExcess", "kSpikeGrowth", "kSpikeRatio"}, terms)
        for folder in FOLDERS:
            for file in (file for kind in ("h", "cpp", "cu") for file in (ROOT / folder).rglob("*." + kind) if file != home):
                self.assertEqual(constants_of(file.read_text("utf-8")) & terms, set(), file)

    def test_constants_are_found_in_every_form(self):
        source = "inline constexpr double kOne = 1;\nconstexpr const char* kTwo = \"kThree = 3\";\nstatic constexpr int kFour = 4;  // kFive = 5"
        self.assertEqual(constants_of(source), {"kOne", "kTwo", "kFour"})


if __name__ == "__main__":
    unittest.main()
