package main

import (
	"fmt"
	"os"
	"strings"
)

// archives makes one tar for each target: the binary, man pages, completions,
// the licence, and the unit for who runs aex serve under systemd.
func (r *release) archives() error {
	unit, err := os.ReadFile("files/aex.service")
	if err != nil {
		return err
	}
	for _, t := range r.targets {
		binary, err := os.ReadFile(r.binary(t))
		if err != nil {
			return err
		}
		files := []file{
			{"aex", 0o755, binary},
			{"LICENSE", 0o644, r.papers.licence},
			{"README.md", 0o644, r.papers.readme},
			{"CHANGELOG.md", 0o644, r.papers.changelog},
			{"completions/aex.bash", 0o644, r.papers.completions["bash"]},
			{"completions/_aex", 0o644, r.papers.completions["zsh"]},
			{"completions/aex.fish", 0o644, r.papers.completions["fish"]},
		}
		files = append(files, below("man/man1", r.papers.man)...)
		if t.os == "linux" {
			files = append(files, file{"aex.service", 0o644, unit})
		}
		body, err := tarGz(below(r.archiveFolder(t), files), r.date)
		if err != nil {
			return err
		}
		if err := r.put(r.archiveFolder(t)+".tar.gz", body); err != nil {
			return err
		}
	}
	return nil
}

func (r *release) archiveFolder(t target) string {
	return fmt.Sprintf("aex_%s_%s", r.version, t)
}

// formula writes the Homebrew formula, which downloads the archives above.
func (r *release) formula() error {
	text, err := os.ReadFile("files/aex.rb")
	if err != nil {
		return err
	}
	replace := []string{"@VERSION@", r.version}
	for _, t := range r.targets {
		body, err := os.ReadFile(r.out + "/" + r.archiveFolder(t) + ".tar.gz")
		if err != nil {
			return err
		}
		replace = append(replace, "@"+strings.ToUpper(t.String())+"@", sha256Hex(body))
	}
	return r.put("aex.rb", []byte(strings.NewReplacer(replace...).Replace(string(text))))
}
