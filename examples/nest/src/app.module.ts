import { Module } from "@nestjs/common";
import { APP_INTERCEPTOR } from "@nestjs/core";
import { AgentInterceptor } from "./agent.interceptor.js";
import { HelpdeskController } from "./helpdesk.controller.js";
import { HelpdeskService } from "./helpdesk.service.js";

@Module({
  controllers: [HelpdeskController],
  providers: [HelpdeskService, { provide: APP_INTERCEPTOR, useClass: AgentInterceptor }],
})
export class AppModule {}
