package main

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// pythonPlatform is what pip calls each target. The binary needs no C library,
// so that one wheel serves those with glibc and those with musl.
var pythonPlatform = map[target][]string{
	{"linux", "amd64"}:  {"manylinux_2_17_x86_64", "manylinux2014_x86_64", "musllinux_1_1_x86_64"},
	{"linux", "arm64"}:  {"manylinux_2_17_aarch64", "manylinux2014_aarch64", "musllinux_1_1_aarch64"},
	{"darwin", "amd64"}: {"macosx_12_0_x86_64"},
	{"darwin", "arm64"}: {"macosx_12_0_arm64"},
}

// wheels makes one wheel for each target, with the binary as its script, and
// one for every other platform, which says that there is no aex for it.
func (r *release) wheels() error {
	helper, err := r.pythonHelper()
	if err != nil {
		return err
	}
	for _, t := range r.targets {
		binary, err := os.ReadFile(r.binary(t))
		if err != nil {
			return err
		}
		script := file{fmt.Sprintf("aex-%s.data/scripts/aex", r.version), 0o755, binary}
		if err := r.wheel(pythonPlatform[t], append(helper[:len(helper):len(helper)], script)); err != nil {
			return err
		}
	}
	unsupported, err := os.ReadFile("files/_unsupported.py")
	if err != nil {
		return err
	}
	return r.wheel([]string{"any"}, append(helper[:len(helper):len(helper)],
		file{"aex/_unsupported.py", 0o644, unsupported},
		file{r.distInfo("entry_points.txt"), 0o644, []byte("[console_scripts]\naex = aex._unsupported:main\n")}))
}

// pythonHelper is clients/python, whose version must be the release's.
func (r *release) pythonHelper() ([]file, error) {
	files, err := readFolder(filepath.Join(r.source, "clients/python/aex"), 0o644)
	if err != nil {
		return nil, err
	}
	for _, f := range files {
		if f.name == "__init__.py" && !strings.Contains(string(f.body), fmt.Sprintf("__version__ = %q", r.version)) {
			return nil, fmt.Errorf("clients/python/aex/__init__.py does not say that it is %s", r.version)
		}
	}
	return below("aex", files), nil
}

func (r *release) distInfo(name string) string {
	return fmt.Sprintf("aex-%s.dist-info/%s", r.version, name)
}

// wheel writes one wheel: the files, what pip reads of them, and their sums.
// https://packaging.python.org/en/latest/specifications/binary-distribution-format/
func (r *release) wheel(platforms []string, files []file) error {
	readme, err := os.ReadFile(filepath.Join(r.source, "clients/python/README.md"))
	if err != nil {
		return err
	}
	metadata := "Metadata-Version: 2.1\nName: aex\nVersion: " + r.version + `
Summary: Run AI agents under a budget, exact to the micro-dollar
Home-page: https://github.com/Auro-rium/aex
License: MIT
Requires-Python: >=3.9
Provides-Extra: openai
Requires-Dist: openai; extra == "openai"
Provides-Extra: groq
Requires-Dist: groq; extra == "groq"
Description-Content-Type: text/markdown

` + string(readme)
	pure := platforms[0] == "any"
	about := fmt.Sprintf("Wheel-Version: 1.0\nGenerator: aex\nRoot-Is-Purelib: %t\n", pure)
	for _, p := range platforms {
		about += "Tag: py3-none-" + p + "\n"
	}
	files = append(files,
		file{r.distInfo("METADATA"), 0o644, []byte(metadata)},
		file{r.distInfo("WHEEL"), 0o644, []byte(about)},
		file{r.distInfo("licenses/LICENSE"), 0o644, r.papers.licence})
	record := ""
	for _, f := range files {
		sum := sha256.Sum256(f.body)
		record += fmt.Sprintf("%s,sha256=%s,%d\n", f.name, base64.RawURLEncoding.EncodeToString(sum[:]), len(f.body))
	}
	record += r.distInfo("RECORD") + ",,\n"
	body, err := zipped(append(files, file{r.distInfo("RECORD"), 0o644, []byte(record)}), r.date)
	if err != nil {
		return err
	}
	return r.put(fmt.Sprintf("aex-%s-py3-none-%s.whl", r.version, strings.Join(platforms, ".")), body)
}
