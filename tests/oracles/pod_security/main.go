// The Pod Security oracle: upstream's own evaluator behind JSON lines.
//
// Each line of standard input is one question, each line of standard output its answer, in the same order.
//
//	{"pod": {...}, "versions": ["v1.25", "latest"]}
//	{"labels": {...}, "defaults": {"enforce": "privileged:latest", "audit": "…", "warn": "…"}}
//
// A pod is answered with one entry per version: what the evaluator says at the levels baseline and restricted, and
// what each check says for itself. Labels are answered with the policy of the namespace and the errors. A question
// that cannot be read is answered with {"error": "..."}; a field that the Pod type does not have is such an error.
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"
	kjson "sigs.k8s.io/json"
)

type question struct {
	Pod      json.RawMessage   `json:"pod"`
	Versions []string          `json:"versions"`
	Labels   map[string]string `json:"labels"`
	Defaults map[string]string `json:"defaults"`
}

type verdict struct {
	Allowed bool     `json:"allowed"`
	Reasons []string `json:"reasons"`
	Details []string `json:"details"`
}

type checkVerdict struct {
	Allowed bool   `json:"allowed"`
	Reason  string `json:"reason"`
	Detail  string `json:"detail"`
}

type versionAnswer struct {
	Version    string                  `json:"version"`
	Baseline   verdict                 `json:"baseline"`
	Restricted verdict                 `json:"restricted"`
	Checks     map[string]checkVerdict `json:"checks"`
}

type policyAnswer struct {
	Enforce string   `json:"enforce"`
	Audit   string   `json:"audit"`
	Warn    string   `json:"warn"`
	Errors  []string `json:"errors"`
}

type oracle struct {
	all    policy.Evaluator
	checks map[string]singleCheck
}

// singleCheck evaluates one check alone, so that an answer can name the check it comes from.
type singleCheck struct {
	level     api.Level
	evaluator policy.Evaluator
}

func newOracle() (*oracle, error) {
	all, err := policy.NewEvaluator(policy.DefaultChecks(), nil)
	if err != nil {
		return nil, err
	}
	checks := map[string]singleCheck{}
	for _, check := range policy.DefaultChecks() {
		evaluator, err := policy.NewEvaluator([]policy.Check{check}, nil)
		if err != nil {
			return nil, err
		}
		checks[string(check.ID)] = singleCheck{level: check.Level, evaluator: evaluator}
	}
	return &oracle{all: all, checks: checks}, nil
}

func (o *oracle) answer(line []byte) any {
	var q question
	if err := json.Unmarshal(line, &q); err != nil {
		return failure(err)
	}
	if q.Pod == nil {
		answer, err := answerLabels(q)
		if err != nil {
			return failure(err)
		}
		return answer
	}
	answers, err := o.answerPod(q)
	if err != nil {
		return failure(err)
	}
	return map[string]any{"versions": answers}
}

func (o *oracle) answerPod(q question) ([]versionAnswer, error) {
	var pod corev1.Pod
	strictErrors, err := kjson.UnmarshalStrict(q.Pod, &pod)
	if err != nil {
		return nil, err
	}
	if len(strictErrors) > 0 {
		return nil, fmt.Errorf("%v", strictErrors)
	}
	defaultVolumes(&pod)
	answers := make([]versionAnswer, 0, len(q.Versions))
	for _, text := range q.Versions {
		version, err := api.ParseVersion(text)
		if err != nil {
			return nil, fmt.Errorf("%q: %w", text, err)
		}
		answers = append(answers, versionAnswer{
			Version:    text,
			Baseline:   evaluate(o.all, api.LevelBaseline, version, &pod),
			Restricted: evaluate(o.all, api.LevelRestricted, version, &pod),
			Checks:     o.runEachCheck(version, &pod),
		})
	}
	return answers, nil
}

// defaultVolumes does what the API server has done before admission sees a pod: a volume without a source is an
// emptyDir (SetDefaults_Volume in k8s.io/kubernetes/pkg/apis/core/v1). Without it the evaluator calls it "unknown".
func defaultVolumes(pod *corev1.Pod) {
	for i := range pod.Spec.Volumes {
		if pod.Spec.Volumes[i].VolumeSource == (corev1.VolumeSource{}) {
			pod.Spec.Volumes[i].EmptyDir = &corev1.EmptyDirVolumeSource{}
		}
	}
}

func evaluate(e policy.Evaluator, level api.Level, version api.Version, pod *corev1.Pod) verdict {
	results := e.EvaluatePod(api.LevelVersion{Level: level, Version: version}, &pod.ObjectMeta, &pod.Spec)
	aggregate := policy.AggregateCheckResults(results)
	return verdict{
		Allowed: aggregate.Allowed,
		Reasons: append([]string{}, aggregate.ForbiddenReasons...),
		Details: append([]string{}, aggregate.ForbiddenDetails...),
	}
}

// runEachCheck leaves out the checks that do not exist at the version.
func (o *oracle) runEachCheck(version api.Version, pod *corev1.Pod) map[string]checkVerdict {
	verdicts := map[string]checkVerdict{}
	for id, check := range o.checks {
		levelVersion := api.LevelVersion{Level: check.level, Version: version}
		for _, result := range check.evaluator.EvaluatePod(levelVersion, &pod.ObjectMeta, &pod.Spec) {
			verdicts[id] = checkVerdict{result.Allowed, result.ForbiddenReason, result.ForbiddenDetail}
		}
	}
	return verdicts
}

func answerLabels(q question) (*policyAnswer, error) {
	var defaults api.Policy
	for mode, target := range map[string]*api.LevelVersion{
		"enforce": &defaults.Enforce, "audit": &defaults.Audit, "warn": &defaults.Warn,
	} {
		levelVersion, err := parseLevelVersion(q.Defaults[mode])
		if err != nil {
			return nil, fmt.Errorf("%s: %w", mode, err)
		}
		*target = levelVersion
	}
	effective, errs := api.PolicyToEvaluate(q.Labels, defaults)
	messages := []string{}
	for _, err := range errs {
		messages = append(messages, err.Error())
	}
	return &policyAnswer{
		Enforce: effective.Enforce.String(),
		Audit:   effective.Audit.String(),
		Warn:    effective.Warn.String(),
		Errors:  messages,
	}, nil
}

func parseLevelVersion(text string) (api.LevelVersion, error) {
	levelText, versionText, _ := strings.Cut(text, ":")
	level, levelErr := api.ParseLevel(levelText)
	version, versionErr := api.ParseVersion(versionText)
	return api.LevelVersion{Level: level, Version: version}, errors.Join(levelErr, versionErr)
}

func failure(err error) map[string]string {
	return map[string]string{"error": err.Error()}
}

func run(input io.Reader, output io.Writer) error {
	o, err := newOracle()
	if err != nil {
		return err
	}
	lines := bufio.NewReader(input)
	buffer := bufio.NewWriter(output)
	defer buffer.Flush()
	encoder := json.NewEncoder(buffer)
	for {
		line, err := lines.ReadBytes('\n')
		if len(line) > 0 {
			if err := encoder.Encode(o.answer(line)); err != nil {
				return err
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func main() {
	if err := run(os.Stdin, os.Stdout); err != nil {
		log.Fatal(err)
	}
}
