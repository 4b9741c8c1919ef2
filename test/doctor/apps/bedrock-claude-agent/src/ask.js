import axios from "axios";
import OpenAI from "openai";
import { slowFetch } from "./slow-fetch.js";

export const client = new OpenAI({ fetch: slowFetch });

export function ask(input) {
  return axios.post("https://api.openai.com/v1/responses", { model: "gpt-5", input });
}
