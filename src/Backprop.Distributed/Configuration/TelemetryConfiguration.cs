using Akka.Event;
using Backprop.Distributed.Cluster;

namespace Backprop.Distributed.Configuration;

/// <summary>Where a node is scraped, and asked for its health.</summary>
/// <param name="Enabled">Whether it is at all.</param>
/// <param name="Host">The address that is listened on.</param>
/// <param name="Port">The port; 0: any free one.</param>
public sealed record MetricsConfiguration(bool Enabled, string Host, int Port);

/// <summary>What a node sends over OpenTelemetry's protocol.</summary>
/// <param name="Endpoint">Where to; null: what the environment says, or nowhere.</param>
/// <param name="TraceEvery">Of one step in so many a trace is sent; 0: of none.</param>
public sealed record OtlpConfiguration(Uri? Endpoint, int TraceEvery);

/// <summary>What a node writes to its standard output.</summary>
/// <param name="Format">How; null: as it suits where it runs.</param>
/// <param name="Level">The least that is written.</param>
public sealed record LogConfiguration(LogFormat? Format, LogLevel Level);
