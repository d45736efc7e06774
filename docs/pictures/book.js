// Pictures follow the theme that the reader has chosen for the book. The pages name them as GitHub wants it, where they
// follow the reader's system.
"use strict";

(() => {
  const DARK = ["ayu", "coal", "navy"];
  const root = document.documentElement;
  const sources = document.querySelectorAll('picture source[media="(prefers-color-scheme: dark)"]');

  const follow = () => {
    const dark = DARK.some((theme) => root.classList.contains(theme));
    for (const source of sources) {
      source.media = dark ? "all" : "not all";
    }
  };

  new MutationObserver(follow).observe(root, { attributeFilter: ["class"] });
  follow();
})();
