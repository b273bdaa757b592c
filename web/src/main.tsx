import { render } from "preact";
import { App } from "./app";
import { startKeyboard } from "./keyboard";
import { startLive } from "./live";
import "./styles/base.css";
import "./styles/parts.css";
import { startTheme } from "./theme";
import { startRouting } from "./url";

startTheme();
startRouting();
startKeyboard();
startLive();
const root = document.getElementById("app")!;
root.replaceChildren();
render(<App />, root);
