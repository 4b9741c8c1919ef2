import { Controller, Get, Query } from "@nestjs/common";
import { HelpdeskService } from "./helpdesk.service.js";

@Controller()
export class HelpdeskController {
  constructor(private readonly helpdesk: HelpdeskService) {}

  @Get("ask")
  ask(@Query("q") question: string): Promise<string> {
    return this.helpdesk.answer(question);
  }
}
