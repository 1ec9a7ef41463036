package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
)

const cyclonedx = "github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod@v1.9.0"

// materials writes a CycloneDX bill of materials for each binary, read from
// the binary itself. Serial number, time and the sums of the tool as it was built
// here are left out: they would differ from one build to the next.
func (r *release) materials() error {
	for _, t := range r.targets {
		name := fmt.Sprintf("aex_%s_%s.cdx.json", r.version, t)
		whole := filepath.Join(r.out, name)
		if err := r.command([]string{"GOFLAGS="}, "go", "run", cyclonedx, "bin", "-json", "-std", "-noserial",
			"-version", "v"+r.version, "-output", whole, r.binary(t)); err != nil {
			return err
		}
		text, err := os.ReadFile(whole)
		if err != nil {
			return err
		}
		var bill map[string]any
		if err := json.Unmarshal(text, &bill); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		metadata, ok := bill["metadata"].(map[string]any)
		if !ok {
			return fmt.Errorf("%s has no metadata", name)
		}
		delete(metadata, "timestamp")
		tools, _ := metadata["tools"].([]any)
		for _, tool := range tools {
			if about, ok := tool.(map[string]any); ok {
				delete(about, "hashes")
			}
		}
		if text, err = json.MarshalIndent(bill, "", "  "); err != nil {
			return err
		}
		if err := r.put(name, append(text, '\n')); err != nil {
			return err
		}
	}
	return nil
}
