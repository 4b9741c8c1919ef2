import { type CallHandler, type ExecutionContext, Injectable, type NestInterceptor } from "@nestjs/common";
import { Observable } from "rxjs";
import { scope } from "spendfuse";

/** What a controller causes belongs to the agent of its name: HelpdeskController is "helpdesk". */
@Injectable()
export class AgentInterceptor implements NestInterceptor {
  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    const agent = context
      .getClass()
      .name.replace(/Controller$/, "")
      .toLowerCase();
    // The handler runs when it is subscribed to: that has to happen inside the scope.
    return new Observable((subscriber) => scope({ agent, team: "support" }, () => next.handle().subscribe(subscriber)));
  }
}
