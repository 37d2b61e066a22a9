/** In a pod's directory, beside its namespaces: what it is. */
export const POD_FILE = "pod.json";
