package wire

import (
	"bytes"
	"encoding/json"
)

// Listed is what has come to its end of a list that broke off, as a list: Google
// streams one where no events were asked for. It is empty where nothing has.
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
