using Akka.Event;
using Backprop.Distributed.Cluster;
using Backprop.Distributed.Configuration;

namespace Backprop.Distributed.Tests.Configuration;

/// <summary>The keys of what a node tells of itself.</summary>
public sealed class TelemetryConfigurationTests
{
    [Fact]
    public void By_default_a_node_is_not_measured_and_writes_as_it_suits_its_surroundings()
    {
        NodeConfiguration node = Read("");
        Assert.Equal(new MetricsConfiguration(false, "127.0.0.1", 8473), node.Metrics);
        Assert.Equal(new OtlpConfiguration(null, 0), node.Otlp);
        Assert.Equal(new LogConfiguration(null, LogLevel.InfoLevel), node.Log);
    }

    [Fact]
    public void A_file_sets_all_of_it()
    {
        NodeConfiguration node = Read("""
            metrics { enabled = true, host = "0.0.0.0", port = 0 }
            otlp { endpoint = "http://collector:4317", trace-every = 1000 }
            log { format = json, level = warning }
            """);
        Assert.Equal(new MetricsConfiguration(true, "0.0.0.0", 0), node.Metrics);
        Assert.Equal(
            new OtlpConfiguration(new Uri("http://collector:4317"), 1000), node.Otlp);
        Assert.Equal(new LogConfiguration(LogFormat.Json, LogLevel.WarningLevel), node.Log);
    }

    [Theory]
    [InlineData("metrics.enabled = perhaps", "backprop.metrics.enabled: 'perhaps'")]
    [InlineData("metrics.port = 70000", "backprop.metrics.port: '70000'")]
    [InlineData("otlp.endpoint = collector", "backprop.otlp.endpoint: 'collector' is no address")]
    [InlineData("otlp.trace-every = -1", "backprop.otlp.trace-every: '-1'")]
    [InlineData("log.format = xml", "backprop.log.format: 'xml'")]
    [InlineData("log.level = loud", "backprop.log.level: 'loud'")]
    public void A_mistake_is_told_with_its_key(string setting, string message)
    {
        var failure = Assert.Throws<NodeConfigurationException>(() => Read(setting));
        Assert.Contains(message, Assert.Single(failure.Mistakes));
    }

    private static NodeConfiguration Read(string settings) => NodeConfigurationReader.Read(
        new ConfigurationText("node.conf", $"backprop {{ {settings} }}"),
        new Dictionary<string, string>());
}
