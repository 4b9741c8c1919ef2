import { Injectable } from "@nestjs/common";
import OpenAI from "openai";

@Injectable()
export class HelpdeskService {
  private readonly openai = new OpenAI();

  async answer(question: string): Promise<string> {
    const messages = [{ role: "user" as const, content: question }];
    const answer = await this.openai.chat.completions.create({ model: "gpt-5-mini", messages });
    return answer.choices[0]?.message.content ?? "";
  }
}
