using System.Diagnostics.Metrics;
using System.Security.Cryptography.X509Certificates;
using Backprop.Distributed.Security;

namespace Backprop.Distributed.Metering;

/// <summary>Tells when what a node shows its peers expires: at control messages, which show the
/// certificate of the node's start as long as it runs, and at tensor links, which show what is in
/// the files.</summary>
public sealed class CertificateMeter : IDisposable
{
    private static readonly Watched<CertificateMeter> s_all = new();

    private readonly NodeCertificates _certificates;
    private readonly long _expiryAtStart;

    static CertificateMeter() => NodeMeter.Meter.CreateObservableGauge(
        "backprop.certificate.expiry.timestamp", () => s_all.Measure(one => one.Measure()), "s",
        "When the node's certificate expires, in seconds since 1970");

    /// <summary>Of a node that starts now.</summary>
    public CertificateMeter(NodeCertificates certificates)
    {
        _certificates = certificates;
        _expiryAtStart = ExpiryOf(certificates.Certificate);
        s_all.Add(this);
    }

    /// <inheritdoc/>
    public void Dispose() => s_all.Remove(this);

    private IEnumerable<Measurement<long>> Measure() =>
    [
        new(_expiryAtStart, NodeMeter.Tag("connection", "control")),
        new(ExpiryOf(_certificates.Certificate), NodeMeter.Tag("connection", "links")),
    ];

    private static long ExpiryOf(X509Certificate2 certificate) =>
        new DateTimeOffset(certificate.NotAfter.ToUniversalTime()).ToUnixTimeSeconds();
}
