package deploy

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	"sigs.k8s.io/yaml"
)

// cluster is what the manifests of deploy/kubernetes make.
type cluster struct {
	secrets     map[string]corev1.Secret
	deployments map[string]appsv1.Deployment
	jobs        map[string]batchv1.Job
	services    map[string]corev1.Service
	budgets     map[string]policyv1.PodDisruptionBudget
}

// manifests are read strictly, into Kubernetes' own types.
func manifests(t *testing.T) cluster {
	t.Helper()
	c := cluster{map[string]corev1.Secret{}, map[string]appsv1.Deployment{}, map[string]batchv1.Job{}, map[string]corev1.Service{}, map[string]policyv1.PodDisruptionBudget{}}
	files, err := filepath.Glob("../../deploy/kubernetes/*.yaml")
	if err != nil || len(files) != 3 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, doc := range bytes.Split(b, []byte("\n---\n")) {
			c.add(t, file, doc)
		}
	}
	return c
}

func (c cluster) add(t *testing.T, file string, doc []byte) {
	t.Helper()
	var kind struct{ APIVersion, Kind string }
	if err := yaml.Unmarshal(doc, &kind); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	var err error
	switch kind.APIVersion + " " + kind.Kind {
	case "v1 Secret":
		err = read(doc, c.secrets, func(o corev1.Secret) string { return o.Name })
	case "apps/v1 Deployment":
		err = read(doc, c.deployments, func(o appsv1.Deployment) string { return o.Name })
	case "batch/v1 Job":
		err = read(doc, c.jobs, func(o batchv1.Job) string { return o.Name })
	case "v1 Service":
		err = read(doc, c.services, func(o corev1.Service) string { return o.Name })
	case "policy/v1 PodDisruptionBudget":
		err = read(doc, c.budgets, func(o policyv1.PodDisruptionBudget) string { return o.Name })
	default:
		t.Errorf("%s: a %s of %s is not looked at here", file, kind.Kind, kind.APIVersion)
	}
	if err != nil {
		t.Errorf("%s: %v", file, err)
	}
}

func read[T any](doc []byte, into map[string]T, name func(T) string) error {
	var o T
	err := yaml.UnmarshalStrict(doc, &o)
	into[name(o)] = o
	return err
}

func TestKubernetesFitsTogether(t *testing.T) {
	c := manifests(t)
	gateway, service, budget := c.deployments["aex"], c.services["aex"], c.budgets["aex"]
	labels := gateway.Spec.Template.Labels
	if *gateway.Spec.Replicas < 2 || !selects(gateway.Spec.Selector.MatchLabels, labels) || !selects(service.Spec.Selector, labels) || !selects(budget.Spec.Selector.MatchLabels, labels) {
		t.Errorf("the service, the budget and the deployment are not of the same pods: %v", labels)
	}
	if budget.Spec.MinAvailable.IntValue() >= int(*gateway.Spec.Replicas) {
		t.Error("no node can ever be drained")
	}
	if service.Spec.SessionAffinity != corev1.ServiceAffinityClientIP {
		t.Error("a run's calls go to gateways that do not have it")
	}
	if port := service.Spec.Ports[0].TargetPort.StrVal; port != gateway.Spec.Template.Spec.Containers[0].Ports[0].Name {
		t.Errorf("the service leads to port %q", port)
	}
	pods := map[string]corev1.PodSpec{"bot": c.jobs["bot"].Spec.Template.Spec}
	for name, d := range c.deployments {
		pods[name] = d.Spec.Template.Spec
	}
	for name, pod := range pods {
		c.checkPod(t, name, pod)
	}
	if values := c.jobs["bot"].Spec.PodFailurePolicy.Rules[0].OnExitCodes.Values; !slices.Equal(values, []int32{121, 122}) {
		t.Errorf("a job that has spent its budget is tried again: %v", values)
	}
}

func selects(selector, labels map[string]string) bool {
	for k, v := range selector {
		if labels[k] != v {
			return false
		}
	}
	return len(selector) > 0
}

// checkPod follows every reference of a pod.
func (c cluster) checkPod(t *testing.T, name string, pod corev1.PodSpec) {
	t.Helper()
	volumes := map[string]corev1.Volume{}
	for _, v := range pod.Volumes {
		volumes[v.Name] = v
		if v.Secret == nil {
			continue
		}
		for _, item := range v.Secret.Items {
			if _, has := c.secrets[v.Secret.SecretName].StringData[item.Key]; !has {
				t.Errorf("%s: secret %s has no %s", name, v.Secret.SecretName, item.Key)
			}
		}
	}
	for _, container := range slices.Concat(pod.InitContainers, pod.Containers) {
		for _, m := range container.VolumeMounts {
			if _, has := volumes[m.Name]; !has {
				t.Errorf("%s: there is no volume %s", name, m.Name)
			}
		}
		for _, e := range container.Env {
			if strings.Contains(e.Name, "PASSWORD") || strings.Contains(e.Name, "TOKEN") || strings.HasSuffix(e.Name, "API_KEY") {
				if e.ValueFrom == nil || c.secrets[e.ValueFrom.SecretKeyRef.Name].StringData[e.ValueFrom.SecretKeyRef.Key] == "" {
					t.Errorf("%s: %s is no Secret's", name, e.Name)
				}
			}
		}
		if s := container.SecurityContext; strings.Contains(container.Image, "/aex:") && (s == nil || !*s.ReadOnlyRootFilesystem || *s.AllowPrivilegeEscalation) {
			t.Errorf("%s: %s may more than it needs", name, container.Name)
		}
	}
	if *pod.AutomountServiceAccountToken {
		t.Errorf("%s has a token of the cluster", name)
	}
}
