package wire

import (
	"bytes"
	"encoding/json"
)

// Listed is a list with the complete elements of one that broke off: Google streams a
// list where no events were asked for. It is empty where no element is complete.
func Listed(broken []byte) []byte {
	d := json.NewDecoder(bytes.NewReader(broken))
	if begin, err := d.Token(); err != nil || begin != json.Delim('[') {
		return nil
	}
	var list [][]byte
	for d.More() {
		var element json.RawMessage
		if d.Decode(&element) != nil {
			break
		}
		list = append(list, element)
	}
	if len(list) == 0 {
		return nil
	}
	return append(append([]byte{'['}, bytes.Join(list, []byte{','})...), ']')
}
