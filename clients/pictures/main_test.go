package main

import (
	"html"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var (
	told   = regexp.MustCompile(`<text[^>]*>([^<]*)</text>`)
	varies = regexp.MustCompile(`\b[0-9a-f]{4,16}\b|[0-9.]+`)
)

// shape is a line without figures and ids; how often a step came is chance.
func shape(lines []string) []string {
	var shapes []string
	for _, line := range lines {
		s := strings.Join(strings.Fields(varies.ReplaceAllString(line, "N")), " ")
		if s != "" && !slices.Contains(shapes, s) && !strings.HasPrefix(s, "aex: ended") {
			shapes = append(shapes, s)
		}
	}
	slices.Sort(shapes)
	return shapes
}

// TestPictureIsOfTheDemo: what the README's picture shows is what aex demo
// says today. Where it fails, draw it anew: make pictures.
func TestPictureIsOfTheDemo(t *testing.T) {
	aex := filepath.Join(t.TempDir(), "aex")
	if out, err := exec.Command("go", "build", "-o", aex, "github.com/Auro-rium/aex/v3").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	lines, err := watch(aex)
	if err != nil {
		t.Fatal(err)
	}
	svg, err := os.ReadFile("../../docs/pictures/demo.svg")
	if err != nil {
		t.Fatal(err)
	}
	var pictured []string
	for _, m := range told.FindAllStringSubmatch(string(svg), -1) {
		pictured = append(pictured, html.UnescapeString(m[1]))
	}
	if got, want := shape(pictured), shape(lines); !slices.Equal(got, want) {
		t.Errorf("the picture is of another demo; run: make pictures\npicture: %q\ndemo:    %q", got, want)
	}
}
