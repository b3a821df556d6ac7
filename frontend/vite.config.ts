// Builds the page into the Python package; `npm run dev` serves it with a running hub behind it.
import { defineConfig, type Plugin } from "vite";

const HUB = "http://127.0.0.1:8600";

/** Hold the first paint until the theme is known: the page's only script says so itself, for inline ones are forbidden. */
const blocking: Plugin = {
  name: "blocking-render",
  transformIndexHtml: { order: "post", handler: (html) => html.replace('<script type="module"', '<script type="module" blocking="render"') },
};

export default defineConfig({
  plugins: [blocking],
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  build: {
    outDir: "../src/watchkeeper/web/static",
    emptyOutDir: true,
    assetsInlineLimit: 0, // a data: URL would need a hole in the content security policy
    modulePreload: { polyfill: false },
    target: "es2023",
    cssTarget: ["chrome123", "firefox128", "safari17.5"], // these know light-dark(), so it is left as written
    reportCompressedSize: false,
  },
  server: {
    proxy: {
      "/api": HUB,
      "/live": { target: HUB, ws: true },
    },
  },
});
