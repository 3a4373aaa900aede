#include "gateway/load/event.h"

namespace gateway::load {

std::string_view NameOf(Milestone milestone) {
  switch (milestone) {
    case Milestone::kPhaseOneUp:
      return "phase1_up";
    case Milestone::kEspUp:
      return "esp_up";
    case Milestone::kTunnelUp:
      return "tunnel_up";
    case Milestone::kCallUp:
      return "call_up";
    case Milestone::kLcpUp:
      return "lcp_up";
    case Milestone::kAuthenticated:
      return "authenticated";
    case Milestone::kIpUp:
      return "ip_up";
    case Milestone::kEspRekeyed:
      return "esp_rekeyed";
    case Milestone::kPhaseOneRekeyed:
      return "phase1_rekeyed";
    case Milestone::kLinkDown:
      return "link_down";
    case Milestone::kCallDown:
      return "call_down";
    case Milestone::kTunnelDown:
      return "tunnel_down";
    case Milestone::kEspDeleted:
      return "esp_deleted";
    case Milestone::kPhaseOneDeleted:
      return "phase1_deleted";
  }
  return "unknown";
}

std::string_view NameOf(DownReason reason) {
  switch (reason) {
    case DownReason::kPhaseOneFailed:
      return "phase1_failed";
    case DownReason::kQuickModeFailed:
      return "quick_mode_failed";
    case DownReason::kTunnelFailed:
      return "tunnel_failed";
    case DownReason::kLinkFailed:
      return "link_failed";
    case DownReason::kServerDead:
      return "server_dead";
    case DownReason::kEndedByServer:
      return "ended_by_server";
    case DownReason::kClosed:
      return "closed";
  }
  return "unknown";
}

}  // namespace gateway::load
