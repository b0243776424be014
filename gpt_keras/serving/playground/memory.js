// Choices come in, the browser's memory and the address's # go out and back.

const KEY = "gpt_keras.playground";

// Returns what was remembered; empty where the browser doesn't allow it.
export function recall() {
  try {
    const value = JSON.parse(localStorage.getItem(KEY));
    return value !== null && typeof value === "object" ? value : {};
  } catch {
    return {};
  }
}

export function remember(choices) {
  try {
    localStorage.setItem(KEY, JSON.stringify({ ...recall(), ...choices }));
  } catch {
    // Private windows and full disks: the page works without.
  }
}

// Returns the values of a link by name, as texts; null if it has none.
export function readLink() {
  const hash = location.hash.slice(1);
  return hash.includes("=") ? new URLSearchParams(hash) : null;
}

export function writeLink(values) {
  const hash = new URLSearchParams(values).toString();
  const url = hash ? `#${hash}` : location.pathname + location.search;
  history.replaceState(null, "", url);
}
