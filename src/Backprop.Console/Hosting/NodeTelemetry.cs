using Backprop.Distributed.Cluster;
using Backprop.Distributed.Configuration;
using Backprop.Distributed.Metering;
using Backprop.Distributed.Nodes;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using OpenTelemetry;
using OpenTelemetry.Metrics;
using OpenTelemetry.Resources;
using OpenTelemetry.Trace;

namespace Backprop.Console.Hosting;

/// <summary>Has a node's host measure it, where its configuration wants that: else nobody listens
/// to the meter, and nothing of this runs.</summary>
internal static class NodeTelemetry
{
    // OpenTelemetry's own, which its exporters read.
    private const string EndpointVariable = "OTEL_EXPORTER_OTLP_ENDPOINT";

    private const string ServiceName = "backprop";

    // What .NET tells of itself: garbage collections, memory, processor time, threads; requests.
    private static readonly string[] s_runtime =
        ["System.Runtime", "Microsoft.AspNetCore.Hosting", "Microsoft.AspNetCore.Server.Kestrel"];

    /// <summary>Adds what is wanted to a node's host.</summary>
    /// <param name="builder">Of the host.</param>
    /// <param name="node">The node.</param>
    /// <param name="address">Where others reach it.</param>
    /// <param name="version">Of the program.</param>
    public static void Add(
        IHostApplicationBuilder builder, NodeConfiguration node, string address, string version)
    {
        bool sends = node.Otlp.Endpoint is not null
            || !string.IsNullOrEmpty(Environment.GetEnvironmentVariable(EndpointVariable));
        if (!node.Metrics.Enabled && !sends)
        {
            return;
        }

        // The exporter reads its standard variables from here; a host may have none of them. The
        // endpoint is given as one, since it is completed then as the protocol wants it.
        builder.Configuration.AddEnvironmentVariables();
        if (node.Otlp.Endpoint is { } endpoint)
        {
            builder.Configuration.AddInMemoryCollection(
                [new KeyValuePair<string, string?>(EndpointVariable, endpoint.ToString())]);
        }

        OpenTelemetryBuilder telemetry = builder.Services.AddOpenTelemetry()
            .ConfigureResource(resource => Describe(resource, node, address, version))
            .WithMetrics(metrics =>
            {
                AddInstruments(metrics);
                if (node.Metrics.Enabled)
                {
                    metrics.AddPrometheusExporter();
                }

                if (sends)
                {
                    metrics.AddOtlpExporter();
                }
            });
        if (sends && node.Otlp.TraceEvery > 0)
        {
            // A step is sampled by its number, the same on every node.
            telemetry.WithTracing(tracing => tracing
                .AddSource(NodeMeter.Name)
                .SetSampler(new AlwaysOnSampler())
                .AddOtlpExporter());
        }
    }

    private static void AddInstruments(MeterProviderBuilder metrics)
    {
        metrics.AddMeter([NodeMeter.Name, .. s_runtime]);
        foreach (string name in NodeMeter.Events)
        {
            metrics.AddView(name, MetricStreamConfiguration.Drop);
        }
    }

    private static void Describe(
        ResourceBuilder resource, NodeConfiguration node, string address, string version)
    {
        bool isNamed = node.Member.Port > 0;
        resource.AddService(
            ServiceName, serviceNamespace: node.Cluster.Name, serviceVersion: version,
            autoGenerateServiceInstanceId: !isNamed,
            serviceInstanceId: isNamed ? $"{address}:{node.Member.Port}" : null);
        resource.AddAttributes(
        [
            new("backprop.node.roles", string.Join(
                ',', RoleNames.OfEach(node.Member.Roles))),
        ]);
    }
}
