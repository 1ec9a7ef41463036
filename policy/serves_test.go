package policy

import "testing"

func TestServesModels(t *testing.T) {
	own := []Provider{{BaseURL: "http://127.0.0.1:8123/v1"}, {BaseURL: "https://llm.corp.example/v1"}}
	for _, c := range []struct {
		host string
		port uint16
		want bool
	}{
		{"api.openai.com", 443, true}, {"API.OPENAI.COM.", 443, true}, {"eu.api.openai.com", 443, true}, {"x.openai.azure.com", 443, true},
		{"bedrock-runtime.us-east-1.amazonaws.com", 443, true}, {"us-central1-aiplatform.googleapis.com", 443, true}, {"chatgpt.com", 443, true},
		{"api.individual.githubcopilot.com", 443, true}, {"127.0.0.1", 11434, true}, {"localhost", 8123, true}, {"::1", 8123, true}, {"127.0.0.1", 8123, true},
		{"llm.corp.example", 443, true}, {"llm.corp.example", 8443, true},
		{"dashscope.aliyuncs.com", 443, true}, {"dashscope-intl.aliyuncs.com", 443, true}, {"llm.chutes.ai", 443, true}, {"eu-de.ml.cloud.ibm.com", 443, true},
		{"oai.endpoints.kepler.ai.cloud.ovh.net", 443, true}, {"inference.generativeai.us-chicago-1.oci.oraclecloud.com", 443, true}, {"queue.fal.run", 443, true},
		{"127.0.0.1", 8124, false}, {"github.com", 443, false}, {"api.github.com", 443, false}, {"s3.amazonaws.com", 443, false}, {"pypi.org", 443, false},
		{"notopenai.com", 443, false}, {"corp.example", 443, false}, {"huggingface.co", 443, false}, {"registry.npmjs.org", 443, false},
	} {
		if got := ServesModels(c.host, c.port, own); got != c.want {
			t.Errorf("%s:%d: %v", c.host, c.port, got)
		}
	}
}
