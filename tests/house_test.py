"""How the sources have to be, beyond what a compiler sees."""

import collections
import pathlib
import re
import unittest

ROOT = pathlib.Path(__file__).resolve().parent.parent
FOLDERS = ("base", "experiments", "harness", "models", "reports", "tests")

# What hides braces and names: comments, raw strings, strings, characters, preprocessor lines (with continuations).
NOT_CODE = re.compile(
    r"""//[^\n]*|/\*.*?\*/|R"(?P<mark>[^(\s]*)\(.*?\)(?P=mark)"|"(?:\\.|[^"\\\n])*"|(?<![0-9a-fA-F])'(?:\\.|[^'\\\n])+'"""
    r"""|^[ \t]*\#(?:[^\n]*\\\n)*[^\n]*""",
    re.DOTALL | re.MULTILINE)
NAMESPACE = re.compile(r"\bnamespace(?P<name>[ \w:]*)$")
TYPE = re.compile(r"\b(?:struct|class|union|enum(?:\s+class|\s+struct)?)\s+(?:alignas\([^)]*\)\s*)?(?P<name>\w+)\s*(?:final\b)?\s*(?::(?!:)[^;{}()]*)?$")


def statements_of(source):
    """(scopes, head, sign) of each statement at namespace scope: the namespaces around it, the text before its { or ;, and
    that sign. An unnamed namespace is ""."""
    code = NOT_CODE.sub(" ", source)
    scopes, begin = [], 0  # a scope: the namespace's name, or None for a type's or a function's braces
    for at, sign in ((m.start(), m.group()) for m in re.finditer(r"[{};]", code)):
        head, begin = code[begin:at].strip(), at + 1
        if sign == "}":
            scopes.pop()
            continue
        if sign == "{" and (match := NAMESPACE.search(head)):
            scopes.append(match["name"].strip())
            continue
        if None not in scopes:
            yield tuple(scopes), head, sign
        if sign == "{":
            scopes.append(None)


def types_of(source):
    """(namespace, name) of each type that a source defines at namespace scope; an unnamed namespace is the file's own."""
    return [("::".join(scopes), match["name"]) for scopes, head, sign in statements_of(source)
            if sign == "{" and "" not in scopes and (match := TYPE.search(head))]


MACRO = re.compile(r"[A-Z_]+\(")
ALIAS = re.compile(r"^using\s+(?P<name>\w+)\s*=")
VALUE = re.compile(r"\b(k[A-Z]\w*)\b(?:\[[^\]]*\])?\s*=")
FUNCTION = re.compile(r"\b(?P<name>[a-z]\w*)\s*\((?P<parameters>.*)\)\s*(?:const|noexcept)?$", re.DOTALL)


def parameter_types(text):
    """The parameters of a function without their names and defaults, so that two signatures can be compared."""
    depth, parts = 0, [""]
    for character in text:
        depth += (character in "<([{") - (character in ">)]}")
        parts += [""] if character == "," and depth == 0 else []
        parts[-1] += "" if character == "," and depth == 0 else character
    return tuple(re.sub(r"\s+", " ", re.sub(r"\b\w+\s*(?:=.*)?$", "", part.strip(), flags=re.DOTALL)).strip() for part in parts)


def private_names(source):
    """{name: alias} of what a source defines for itself, in an unnamed namespace: types, constants, functions with the types of
    their parameters, and aliases, which are the only ones with a text."""
    found = {}
    for scopes, head, sign in statements_of(source):
        if "" not in scopes:
            continue
        if match := ALIAS.search(head):
            found[match["name"]] = " ".join(head.split())
        elif sign == "{" and (match := TYPE.search(head)):
            found[match["name"]] = ""
        elif names := VALUE.findall(head):
            found.update(dict.fromkeys(names, ""))
        elif sign == "{" and not MACRO.match(head) and (match := FUNCTION.search(head)):
            found[match["name"] + str(parameter_types(match["parameters"]))] = ""
    return found


def clash(definitions):
    """Whether one name cannot have all of these in one unit: it can where all are the same alias."""
    return len(definitions) > 1 and ("" in definitions or len(set(definitions)) > 1)


def compiled_together():
    """Sets of sources that a release build may put into one translation unit (CMAKE_UNITY_BUILD)."""
    sources = [file for file in all_sources() if file.endswith(".cpp")]
    groups = []
    for folder in LIBRARIES:
        if re.search(r"^folder_library\((?!.*\bAPART\b)", (ROOT / folder / "CMakeLists.txt").read_text("utf-8"), re.MULTILINE):
            groups.append([file for file in sources if library_of(file) == folder])
    for folders in re.findall(r"^set\(\w+_FOLDERS (.*)\)$", (ROOT / "tests/CMakeLists.txt").read_text("utf-8"), re.MULTILINE):
        groups.append([file for file in sources if re.fullmatch("tests/(%s)/[^/]*_test.cpp" % folders.replace(" ", "|"), file)])
    return groups


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


def all_sources():
    """{path from the root: text} of every source of the project."""
    files = (file for folder in FOLDERS for kind in ("h", "cpp", "cu") for file in (ROOT / folder).rglob("*." + kind))
    return {file.relative_to(ROOT).as_posix(): file.read_text("utf-8") for file in files}


# Libraries in the order in which the top CMakeLists.txt adds them: each may include those before it, and itself.
LIBRARIES = re.findall(r"^\s*add_subdirectory\(([\w/]+)\)", (ROOT / "CMakeLists.txt").read_text("utf-8"), re.MULTILINE)
LIBRARIES = [folder for folder in LIBRARIES if not folder.startswith(("cmake", "tests"))]
FREE_OF_LIBTORCH = {"base", "models/formats", "models/tokenizer", "models/kernels", "models/cuda", "harness/record", "reports"}
ONLY = {"reports": {"base", "harness/record", "reports"}}
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^">]+)[">]', re.MULTILINE)


def library_of(file):
    """The longest folder of LIBRARIES that holds the file."""
    return max((folder for folder in LIBRARIES if file.startswith(folder + "/")), key=len, default=None)


def wrong_include(file, kind, included):
    """Why a source may not include what it includes; None if it may."""
    library = library_of(file)
    if library in FREE_OF_LIBTORCH and re.match(r"(ATen|torch|c10)/", included):
        return f"{library} is free of LibTorch"
    used = library_of(included) if kind == '"' else None
    if used is None or used == library:
        return None
    if LIBRARIES.index(used) > LIBRARIES.index(library):
        return f"{used} is built after {library}"
    if library in FREE_OF_LIBTORCH and used not in FREE_OF_LIBTORCH:
        return f"{library} is free of LibTorch and {used} is not"
    if used not in ONLY.get(library, LIBRARIES):
        return f"{library} sees {' and '.join(sorted(ONLY[library]))} alone"
    return None


def own_header_first(file, text, headers):
    """Whether a source includes the header of its own name, if there is one, before all others: so each header is
    known to need nothing that happens to be included before it."""
    own = re.sub(r"\.\w+$", ".h", file)
    first = INCLUDE.search(text)
    return own == file or own not in headers or (first and first[2] == own)


class Folders(unittest.TestCase):
    def test_no_source_includes_what_is_built_after_its_folder(self):
        sources = all_sources()
        checked = [(file, *include, wrong_include(file, *include)) for file, text in sources.items() if library_of(file)
                   for include in INCLUDE.findall(text)]
        self.assertGreater(len(checked), 1000)
        self.assertEqual([line for line in checked if line[-1]], [])

    def test_every_source_belongs_to_a_library(self):
        lost = [file for file in all_sources() if not file.startswith("tests/") and not library_of(file)]
        self.assertEqual(lost, [])

    def test_every_source_includes_its_own_header_first(self):
        sources = all_sources()
        self.assertEqual([file for file, text in sources.items() if not own_header_first(file, text, sources)], [])

    def test_tests_lie_in_the_folder_of_what_they_test(self):
        tests = [file for file in all_sources() if file.endswith("_test.cpp")]
        self.assertGreater(len(tests), 50)
        self.assertEqual([file for file in tests if file.removeprefix("tests/").rpartition("/")[0] not in LIBRARIES], [])

    def test_the_rules_tell_right_includes_from_wrong_ones(self):
        cases = (
            ("base/error.cpp", '"', "base/error.h", None),
            ("base/error.cpp", '"', "models/formats/gguf.h", "built after"),
            ("base/error.cpp", "<", "ATen/ATen.h", "free of LibTorch"),
            ("models/core/block.h", "<", "ATen/ATen.h", None),
            ("models/core/block.cpp", '"', "models/formats/gguf.h", None),
            ("models/core/block.cpp", '"', "models/training/arm.h", "built after"),
            ("harness/record/record.cpp", '"', "models/core/block.h", "free of LibTorch"),
            ("harness/record/settings/settings.cpp", '"', "harness/record/record.h", None),
            ("harness/study/measures/watch.cpp", '"', "experiments/sink_onset.h", "built after"),
            ("reports/html.cpp", '"', "harness/record/record.h", None),
            ("reports/html.cpp", '"', "models/formats/config.h", "alone"),
            ("harness/cli/doctor.cpp", '"', "reports/report.h", None),
            ("base/yaml.h", "<", "yaml-cpp/yaml.h", None),
        )
        for file, kind, included, why in cases:
            found = wrong_include(file, kind, included)
            self.assertIn(why, found or "") if why else self.assertIsNone(found, (file, included))

    def test_an_own_header_in_any_other_place_is_seen(self):
        headers = {"a/b.h", "a/c.h"}
        for text, right in (('#include "a/b.h"\n#include <map>', True), ('#include <map>\n#include "a/b.h"', False),
                            ('#include "a/c.h"\n', False), ("int x;\n", False), ('// b\n\n#  include "a/b.h"\n', True)):
            self.assertEqual(bool(own_header_first("a/b.cpp", text, headers)), right, text)
        self.assertTrue(own_header_first("a/main.cpp", "#include <map>", headers))
        self.assertTrue(own_header_first("a/b.h", "#include <map>", headers))


class Types(unittest.TestCase):
    def test_no_type_is_defined_twice_in_a_namespace(self):
        """Two definitions of one name in one program break C++'s one-definition rule, and no linker says so."""
        sources = all_sources()
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


class PrivateNames(unittest.TestCase):
    def test_sources_that_are_compiled_together_have_private_names_of_their_own(self):
        """Otherwise a new source, which moves others to another unit, breaks a build that has nothing to do with it."""
        sources, groups = all_sources(), compiled_together()
        self.assertGreater(sum(map(len, groups)), 150)
        for group in groups:
            own = [file for file in sources if file.endswith(".h") and (file < "tests/" or group[0] > "tests/")]
            public = {name for file in own for name in constants_of(sources[file]) | {name for _, name in types_of(sources[file])}}
            places = collections.defaultdict(dict)
            for file in group:
                for name, alias in private_names(sources[file]).items():
                    places[name][file] = alias
            self.assertEqual({name: list(files) for name, files in places.items() if clash(files.values()) or name in public}, {})

    def test_private_names_are_found_in_every_form(self):
        source = """namespace a {
            int outside(int x) { return x; }
            namespace {
            using Row = std::array<std::string, 3>;
            constexpr double kOne = 1, kTwo = 2;
            const Table kTable[] = {{1, 2}, {3}};
            struct Seen { int kInner = 3; using Nested = int; };
            template <typename T> T f(const std::map<int, T>& x, double by = 0.5) { int kLocal = 1; return x; }
            }  // namespace
            }"""
        self.assertEqual(set(private_names(source)), {"Row", "kOne", "kTwo", "kTable", "Seen", "f('const std::map<int, T>&', 'double')"})

    def test_only_equal_aliases_may_share_a_name(self):
        for definitions, clashes in ((["using A = int"], False), (["using A = int"] * 2, False), (["using A = int", "using A = char"], True),
                                     (["using A = int", ""], True), (["", ""], True)):
            self.assertEqual(clash(definitions), clashes, definitions)

    def test_functions_are_the_same_where_their_parameters_types_are(self):
        def names(function):
            return set(private_names("namespace { void f(" + function + ") { } }"))
        self.assertEqual(names("const Tensor& a, int64_t n"), names("const Tensor&  other, int64_t layers = 3"))
        self.assertNotEqual(names("const Tensor& a"), names("const Tensor& a, int n"))


class Terms(unittest.TestCase):
    def test_a_number_that_defines_a_term_stands_in_one_place(self):
        """harness/record/survey.h says what a spike and a super neuron are, configs/judging.yaml what a sink is; a second 5 would go its own way."""
        home = ROOT / "harness" / "record" / "survey.h"
        terms = constants_of(home.read_text("utf-8"))
        self.assertLessEqual({"kSpikeGrowth", "kSpikeRatio"}, terms)
        for folder in FOLDERS:
            for file in (file for kind in ("h", "cpp", "cu") for file in (ROOT / folder).rglob("*." + kind) if file != home):
                self.assertEqual(constants_of(file.read_text("utf-8")) & terms, set(), file)

    def test_constants_are_found_in_every_form(self):
        source = "inline constexpr double kOne = 1;\nconstexpr const char* kTwo = \"kThree = 3\";\nstatic constexpr int kFour = 4;  // kFive = 5"
        self.assertEqual(constants_of(source), {"kOne", "kTwo", "kFour"})


if __name__ == "__main__":
    unittest.main()
