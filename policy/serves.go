package policy

import (
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// serving are host names at which models are served beside those of the table
// of hosts: of clouds, routers and subscriptions. A star stands for one or more
// characters.
var serving = []string{
	"*.openai.com", "chatgpt.com", "*.chatgpt.com", "*.anthropic.com", "claude.ai", "*.claude.ai", "claude.com", "*.claude.com",
	"*aiplatform.googleapis.com", "cloudcode-pa.googleapis.com", "bedrock*.amazonaws.com", "*.bedrock*.amazonaws.com", "*.bedrock*.api.aws", "bedrock*.api.aws",
	"*.sagemaker.*.amazonaws.com", "runtime.sagemaker*.amazonaws.com", "*.models.ai.azure.com", "*.inference.ai.azure.com", "models.github.ai", "*.models.github.ai",
	"*.githubcopilot.com", "copilot-proxy.githubusercontent.com", "api.cohere.com", "api.cohere.ai", "api.ai21.com", "router.huggingface.co", "api-inference.huggingface.co",
	"*.endpoints.huggingface.cloud", "api.replicate.com", "*.api.nvidia.com", "*.nvcf.nvidia.com", "api.sambanova.ai", "dashscope*.aliyuncs.com", "*.volces.com",
	"api.siliconflow.cn", "api.siliconflow.com", "api.minimax.chat", "api.minimax.io", "api.minimaxi.com", "api.stepfun.com", "api.baichuan-ai.com", "api.lingyiwanwu.com",
	"hunyuan*.tencentcloudapi.com", "api.hunyuan.cloud.tencent.com", "aip.baidubce.com", "qianfan.baidubce.com", "api.deepinfra.com", "api.novita.ai", "api.hyperbolic.xyz",
	"api.endpoints.anyscale.com", "*.lepton.run", "inference.baseten.co", "*.api.baseten.co", "api.friendli.ai", "api.featherless.ai", "api.lambda.ai", "api.lambdalabs.com",
	"api.inference.net", "inference.do-ai.run", "api.studio.nebius.ai", "api.tokenfactory.nebius.com", "api.voyageai.com", "api.jina.ai", "api.venice.ai", "api.reka.ai", "api.writer.com",
	"api.inceptionlabs.ai", "api.upstage.ai", "api.aleph-alpha.com", "gateway.ai.cloudflare.com", "ai-gateway.vercel.sh", "router.requesty.ai", "api.portkey.ai", "gateway.helicone.ai",
	"oai.helicone.ai", "anthropic.helicone.ai", "api.unify.ai", "api.poe.com", "openrouter.ai", "*.openrouter.ai", "opencode.ai", "*.opencode.ai", "api2.cursor.sh", "*.cursor.sh",
	"*.cerebras.ai", "*.groq.com", "*.mistral.ai", "*.deepseek.com", "*.x.ai", "*.together.xyz", "*.fireworks.ai", "ai.api.cloud.yandex.net", "llm.api.cloud.yandex.net",
	"gigachat.devices.sberbank.ru", "*.litellm.ai", "dashscope.aliyuncs.com", "*.maas.aliyuncs.com", "*.tencentcloudmaas.com", "spark-api-open.xf-yun.com", "*.iflow.cn",
	"api-inference.modelscope.cn", "chat.intern-ai.org.cn", "api.ppinfra.com", "api.302.ai", "api.kimi.com", "api.stepfun.ai", "api.xiaomimimo.com", "vanchin.streamlake.ai",
	"*.ai.cloud.ovh.net", "api.scaleway.ai", "*.ml.cloud.ibm.com", "inference.generativeai.*.oraclecloud.com", "*.prediction.vertexai.goog", "api.nova.amazon.com",
	"codewhisperer.*.amazonaws.com", "q.*.amazonaws.com", "api.meta.ai", "api.llama.com", "api.inference.wandb.ai", "api.clarifai.com", "api.edenai.run", "api.aimlapi.com",
	"api.cometapi.com", "aihubmix.com", "nano-gpt.com", "*.chutes.ai", "api.synthetic.new", "api.v0.dev", "api.stima.tech", "api.cortecs.ai", "api.publicai.co",
	"inference.api.nscale.com", "api.morphllm.com", "api.relace.ai", "api.libertai.io", "*.helicone.ai", "serving.app.predibase.com", "llm-gateway.assemblyai.com", "api.sarvam.ai",
	"api.parasail.io", "api.inference.crusoecloud.com", "api.gmi-serving.com", "api.galadriel.com", "api.bytez.com", "api.abliteration.ai", "router.hostinger.com",
	"serverless.tensormesh.ai", "api.nlpcloud.io", "api.kluster.ai", "api.vultrinference.com", "inference-api.nousresearch.com", "zenmux.ai", "api.kilo.ai", "api.langdock.com",
	"ampcode.com", "*.api.augmentcode.com", "api.tabnine.com", "api.manus.im", "fal.run", "*.fal.run", "api.stability.ai", "api.bfl.ai", "*.elevenlabs.io", "api.deepgram.com",
	"*.modal.run", "*.modal.direct", "api.arcee.ai", "api.avian.io", "api.cursor.com", "api.doubleword.ai", "api.minimax.com", "api.quicksilverpro.io", "api.typesafe.ai",
}

// ServesModels tells whether models are known to be served at a host, which is
// a name or an address, and port: by the table of hosts, by the list of further
// ones, or because one of the providers of a registry is there.
func ServesModels(host string, port uint16, more []Provider) bool {
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	at := host
	if strings.Contains(host, ":") {
		at = "[" + host + "]"
	}
	base := "https://" + at + ":" + strconv.Itoa(int(port))
	if HostOf(base) != nil || slices.ContainsFunc(serving, func(s string) bool { return between(s, host) }) {
		return true
	}
	return slices.ContainsFunc(more, func(p Provider) bool {
		u, err := url.Parse(p.BaseURL)
		if err != nil {
			return false
		}
		switch known := strings.ToLower(u.Hostname()); {
		case loopback(p.BaseURL): // of all that is on this machine only that port
			own := u.Port()
			if own == "" {
				own = map[string]string{"https": "443"}[u.Scheme]
			}
			return loopback(base) && own == strconv.Itoa(int(port))
		default:
			return host == known
		}
	})
}

// between matches a host with a pattern of stars.
func between(pattern, host string) bool {
	first, rest, star := strings.Cut(pattern, "*")
	if !star {
		return pattern == host
	}
	host, ok := strings.CutPrefix(host, first)
	for i := 1; ok && i <= len(host); i++ {
		if between(rest, host[i:]) {
			return true
		}
	}
	return false
}
