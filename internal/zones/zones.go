// Package zones has the time zones of the binary. Package time would look at the
// machine's first, and at those that the variable ZONEINFO names: a day would not
// begin at the same time on every machine, and one machine would not know a zone
// that another one knows.
package zones

import (
	"archive/zip"
	_ "embed"
	"fmt"
	"io"
	"strings"
	"time"
	_ "time/tzdata" // for TZ, where the machine has no time zones
)

// database is the IANA database as Go has it: make zones brings a newer one.
//
//go:embed zoneinfo.zip
var database string

// Load finds a zone by its name in the IANA database.
func Load(name string) (*time.Location, error) {
	all, err := zip.NewReader(strings.NewReader(database), int64(len(database)))
	if err != nil {
		return nil, fmt.Errorf("reading the time zones: %w", err)
	}
	for _, f := range all.File {
		if f.Name == name && !f.Mode().IsDir() {
			return read(f)
		}
	}
	return nil, fmt.Errorf("there is no time zone %q", name)
}

func read(f *zip.File) (*time.Location, error) {
	r, err := f.Open()
	if err != nil {
		return nil, fmt.Errorf("reading the time zone %s: %w", f.Name, err)
	}
	defer r.Close() // it is in memory
	data, err := io.ReadAll(r)
	if err != nil {
		return nil, fmt.Errorf("reading the time zone %s: %w", f.Name, err)
	}
	return time.LoadLocationFromTZData(f.Name, data)
}
