package main

import (
	"os"
	"path/filepath"
	"strings"

	"gopkg.in/yaml.v3"
)

// nfpm is pinned: later ones want a newer Go.
const nfpm = "github.com/goreleaser/nfpm/v2/cmd/nfpm@v2.45.0"

// linuxPackages lets nfpm make a deb, an rpm and an apk of each Linux binary,
// from one staged root.
func (r *release) linuxPackages() error {
	stage, err := os.MkdirTemp("", "aex-stage-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(stage)
	for _, t := range r.targets {
		if t.os != "linux" {
			continue
		}
		config, err := r.stageLinux(t, filepath.Join(stage, t.arch))
		if err != nil {
			return err
		}
		for _, packager := range []string{"deb", "rpm", "apk"} {
			if err := r.command([]string{"GOFLAGS="}, "go", "run", nfpm, "package", "--config", config, "--packager", packager, "--target", r.out); err != nil {
				return err
			}
		}
	}
	return nil
}

// contents is one file of a package: nfpm's words.
type contents struct {
	Source string    `yaml:"src"`
	Target string    `yaml:"dst"`
	Type   string    `yaml:"type,omitempty"`
	Only   string    `yaml:"packager,omitempty"` // deb, rpm or apk
	Info   fileModes `yaml:"file_info"`
}

type fileModes struct {
	Mode  int64  `yaml:"mode"`
	MTime string `yaml:"mtime"`
}

// stageLinux writes the files of a target's packages and nfpm's description of
// them, whose path it returns.
func (r *release) stageLinux(t target, dir string) (config string, err error) {
	files, err := r.linuxFiles(t)
	if err != nil {
		return "", err
	}
	list, err := r.stageFiles(files, dir)
	if err != nil {
		return "", err
	}
	for _, name := range []string{"postinstall.sh", "preremove.sh"} { // an apk has their times
		body, err := os.ReadFile("files/" + name)
		if err != nil {
			return "", err
		}
		staged := filepath.Join(dir, name)
		if err := os.WriteFile(staged, body, 0o755); err != nil {
			return "", err
		}
		if err := os.Chtimes(staged, r.date, r.date); err != nil {
			return "", err
		}
	}
	config = filepath.Join(dir, "nfpm.yaml")
	body, err := yaml.Marshal(r.describeLinux(t, list, dir))
	if err != nil {
		return "", err
	}
	return config, os.WriteFile(config, body, 0o644)
}

// linuxFiles are the files of a target's packages.
func (r *release) linuxFiles(t target) ([]file, error) {
	binary, err := os.ReadFile(r.binary(t))
	if err != nil {
		return nil, err
	}
	files := []file{
		{"usr/bin/aex", 0o755, binary},
		{"usr/share/doc/aex/README.md", 0o644, r.papers.readme},
		{"usr/share/doc/aex/CHANGELOG.md", 0o644, r.papers.changelog},
		{"usr/share/doc/aex/copyright", 0o644, r.papers.licence},
		{"usr/share/bash-completion/completions/aex", 0o644, r.papers.completions["bash"]},
		{"usr/share/zsh/vendor-completions/_aex", 0o644, r.papers.completions["zsh"]},
		{"usr/share/fish/vendor_completions.d/aex.fish", 0o644, r.papers.completions["fish"]},
	}
	files = append(files, below("usr/share/man/man1", r.papers.man)...)
	for _, own := range []struct {
		from, to string
		mode     int64
	}{
		{"aex.service", "usr/lib/systemd/system/aex.service", 0o644},
		{"aex.sysusers", "usr/lib/sysusers.d/aex.conf", 0o644},
		{"aex.env", "etc/aex/aex.env", 0o600},
	} {
		body, err := os.ReadFile("files/" + own.from)
		if err != nil {
			return nil, err
		}
		files = append(files, file{own.to, own.mode, body})
	}
	return files, nil
}

// stageFiles writes the files below dir, and says where each goes.
func (r *release) stageFiles(files []file, dir string) (list []contents, err error) {
	for _, f := range files {
		source := filepath.Join(dir, f.name)
		if err := os.MkdirAll(filepath.Dir(source), 0o755); err != nil {
			return nil, err
		}
		if err := os.WriteFile(source, f.body, 0o644); err != nil {
			return nil, err
		}
		c := contents{Source: source, Target: "/" + f.name, Info: fileModes{f.mode, r.date.Format("2006-01-02T15:04:05Z")}}
		if f.name == "etc/aex/aex.env" {
			c.Type = "config|noreplace"
		}
		if strings.HasPrefix(f.name, "usr/share/zsh/") { // Debian has a folder of its own
			fedora, alpine := c, c
			c.Only, fedora.Only, alpine.Only = "deb", "rpm", "apk"
			fedora.Target, alpine.Target = "/usr/share/zsh/site-functions/_aex", "/usr/share/zsh/site-functions/_aex"
			list = append(list, fedora, alpine)
		}
		list = append(list, c)
	}
	return list, nil
}

// describeLinux is nfpm's configuration. Nothing is needed: the binary is
// static, and the service is only for machines that have systemd.
func (r *release) describeLinux(t target, list []contents, scripts string) map[string]any {
	return map[string]any{
		"name": "aex", "arch": t.arch, "platform": "linux", "version": r.version, "release": "1",
		"section": "utils", "priority": "optional", "mtime": r.date.Format("2006-01-02T15:04:05Z"),
		"maintainer":  "The aex authors <https://github.com/Auro-rium/aex>",
		"vendor":      "Auro-rium",
		"homepage":    "https://github.com/Auro-rium/aex",
		"license":     "MIT",
		"description": "Run AI agents under a budget\naex meters every model call of a program to the micro-dollar and ends the\nprogram when its money is gone.",
		"contents":    list,
		"scripts":     map[string]string{"postinstall": scripts + "/postinstall.sh", "preremove": scripts + "/preremove.sh"},
		"rpm":         map[string]any{"buildhost": "aex", "group": "Applications/System"},
	}
}
