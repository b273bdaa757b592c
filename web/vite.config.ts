import { defineConfig } from "vitest/config";

// HEADWAY_API=http://127.0.0.1:6160 npm run dev: pages from here, data from a running `headway ui`
const server = process.env["HEADWAY_API"] ?? "http://127.0.0.1:6160";

export default defineConfig({
  build: {
    outDir: process.env["HEADWAY_STATIC"] ?? "../src/headway/web/static",
    emptyOutDir: true,
    assetsInlineLimit: 0, // the content security policy allows no data: scripts or styles
    cssCodeSplit: false, // one file of 10 kB instead of eight that repeat each other
    modulePreload: { polyfill: false }, // it would be an inline script
    target: "es2022",
    // two files compress better than eleven: what the table of runs needs, and all else when it is first opened
    rolldownOptions: {
      output: {
        codeSplitting: {
          includeDependenciesRecursively: false,
          groups: [
            { name: "app", priority: 2, test: /preact|src.(ui.|pages.runs.|[a-z]+\.tsx?$)/ },
            { name: "pages", test: /src.(charts|parts|pages.(compare|run|params|curves).)|uplot/ },
          ],
        },
      },
    },
    chunkSizeWarningLimit: 400,
  },
  server: { proxy: { "/api": { target: server, changeOrigin: true } } },
  test: { include: ["tests/**/*.test.ts"], environment: "node" },
});
