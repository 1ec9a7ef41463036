package cli

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
)

// firstCertificate is the server's own in a file of its chain.
func firstCertificate(data []byte) (*x509.Certificate, error) {
	for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
		if block.Type == "CERTIFICATE" {
			return x509.ParseCertificate(block.Bytes)
		}
	}
	return nil, errors.New("there is no certificate in the file")
}
