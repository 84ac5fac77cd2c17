/** What a person prefers on this computer. Kept in localStorage; public/theme.js reads the theme before the first paint. */
export type Theme = "system" | "light" | "dark";
export type Language = "en" | "zh";

interface Prefs {
  theme: Theme;
  language: Language;
  /** Shortcuts of a single letter; off for those whom they trip up (WCAG 2.1.4). */
  singleKeys: boolean;
  sidebar: boolean;
}

const KEY = "shoal.prefs";

function load(): Prefs {
  const defaults: Prefs = {
    theme: "system",
    language: navigator.language.toLowerCase().startsWith("zh") ? "zh" : "en",
    singleKeys: true,
    sidebar: innerWidth >= 900,
  };
  try {
    const stored = JSON.parse(localStorage.getItem(KEY) ?? "{}") as Partial<Prefs>;
    // In a small window the list lies over the chat, and nobody wants to begin with that.
    return { ...defaults, ...stored, sidebar: defaults.sidebar && (stored.sidebar ?? true) };
  } catch {
    return defaults;
  }
}

export const prefs = $state(load());

$effect.root(() => {
  $effect(() => {
    localStorage.setItem(KEY, JSON.stringify(prefs));
    const root = document.documentElement;
    if (prefs.theme === "system") delete root.dataset.theme;
    else root.dataset.theme = prefs.theme;
    root.lang = prefs.language === "zh" ? "zh-CN" : "en";
  });
});
