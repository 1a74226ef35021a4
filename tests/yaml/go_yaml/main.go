// Decides what YAML texts mean to Kubernetes: reads a JSON list of documents on stdin, and writes for each what
// sigs.k8s.io/yaml makes of it, as [text, JSON] or [text, null, error].
package main

import (
	"encoding/json"
	"os"

	"sigs.k8s.io/yaml"
)

func main() {
	var texts []string
	if err := json.NewDecoder(os.Stdin).Decode(&texts); err != nil {
		panic(err)
	}
	decided := make([][]any, 0, len(texts))
	for _, text := range texts {
		converted, err := yaml.YAMLToJSON([]byte(text))
		if err != nil {
			decided = append(decided, []any{text, nil, err.Error()})
		} else {
			decided = append(decided, []any{text, string(converted)})
		}
	}
	encoder := json.NewEncoder(os.Stdout)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(decided); err != nil {
		panic(err)
	}
}
