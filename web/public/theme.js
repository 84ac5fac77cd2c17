// Before the first paint, so that a chosen theme does not flash. A file of its own because the policy allows no inline script.
try {
  const { theme } = JSON.parse(localStorage.getItem("shoal.prefs"));
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
} catch {}
