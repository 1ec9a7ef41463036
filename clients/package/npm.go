package main

import (
	"encoding/json"
	"fmt"
	"os"
)

// npmScope is whose packages the binaries are in.
const npmScope = "@auro-rium"

// npmPlatform is what npm calls each target.
var npmPlatform = map[target][2]string{
	{"linux", "amd64"}:  {"linux", "x64"},
	{"linux", "arm64"}:  {"linux", "arm64"},
	{"darwin", "amd64"}: {"darwin", "x64"},
	{"darwin", "arm64"}: {"darwin", "arm64"},
}

// npmPackages makes the package aex, and one for each target that npm picks
// by os and cpu. Nothing runs at install: aex itself is a script that becomes
// the binary, so that signals, terminal and exit code are the binary's own.
func (r *release) npmPackages() error {
	optional := make(map[string]string)
	for _, t := range []target{{"linux", "amd64"}, {"linux", "arm64"}, {"darwin", "amd64"}, {"darwin", "arm64"}} {
		optional[npmName(t)] = r.version
	}
	for _, t := range r.targets {
		binary, err := os.ReadFile(r.binary(t))
		if err != nil {
			return err
		}
		p := npmPlatform[t]
		about := r.npmAbout(npmName(t), fmt.Sprintf("The aex binary for %s on %s", p[0], p[1]), []string{p[0]}, []string{p[1]})
		about["preferUnplugged"] = true
		name := fmt.Sprintf("auro-rium-aex-%s-%s-%s.tgz", p[0], p[1], r.version)
		if err := r.npmPackage(name, about, file{"bin/aex", 0o755, binary}); err != nil {
			return err
		}
	}
	script, err := os.ReadFile("files/npm-aex.sh")
	if err != nil {
		return err
	}
	readme, err := os.ReadFile("files/npm.md")
	if err != nil {
		return err
	}
	about := r.npmAbout("aex", "Run AI agents under a budget, exact to the micro-dollar", []string{"linux", "darwin"}, []string{"x64", "arm64"})
	about["bin"] = map[string]string{"aex": "bin/aex"}
	about["optionalDependencies"] = optional
	return r.npmPackage(fmt.Sprintf("aex-%s.tgz", r.version), about, file{"bin/aex", 0o755, script}, file{"README.md", 0o644, readme})
}

func npmName(t target) string {
	p := npmPlatform[t]
	return fmt.Sprintf("%s/aex-%s-%s", npmScope, p[0], p[1])
}

// npmAbout is a package.json.
func (r *release) npmAbout(name, description string, systems, cpus []string) map[string]any {
	return map[string]any{
		"name": name, "version": r.version, "description": description, "license": "MIT",
		"homepage":   "https://github.com/Auro-rium/aex",
		"repository": map[string]string{"type": "git", "url": "git+https://github.com/Auro-rium/aex.git"},
		"os":         systems, "cpu": cpus,
	}
}

func (r *release) npmPackage(name string, about map[string]any, files ...file) error {
	text, err := json.MarshalIndent(about, "", "  ")
	if err != nil {
		return err
	}
	files = append([]file{{"package.json", 0o644, append(text, '\n')}, {"LICENSE", 0o644, r.papers.licence}}, files...)
	body, err := tarGz(below("package", files), r.date)
	if err != nil {
		return err
	}
	return r.put(name, body)
}
