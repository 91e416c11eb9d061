using System.Net.Security;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Backprop.Distributed.Security;

/// <summary>Reads certificates and keys from files in PEM.</summary>
public static class CertificateFiles
{
    // A chain of a few certificates has some thousand bytes.
    private const int MaxBytes = 1 << 20;

    /// <summary>The certificates of a file.</summary>
    /// <exception cref="CertificateException">There are none.</exception>
    public static X509Certificate2Collection ReadAll(string file)
    {
        var certificates = new X509Certificate2Collection();
        string text = Read(file);
        try
        {
            certificates.ImportFromPem(text);
        }
        catch (CryptographicException failure)
        {
            throw new CertificateException(
                $"{file} cannot be read as certificates in PEM: {failure.Message}", failure);
        }

        return certificates.Count > 0
            ? certificates
            : throw new CertificateException(
                $"{file} has no certificate in it; it would begin with"
                + " -----BEGIN CERTIFICATE-----");
    }

    /// <summary>A certificate with its key.</summary>
    /// <exception cref="CertificateException">One of them cannot be used, or they do not belong
    /// together.</exception>
    public static X509Certificate2 ReadWithKey(string certificateFile, string keyFile)
    {
        string certificate = Read(certificateFile);
        string key = Read(keyFile);
        try
        {
            using X509Certificate2 read = X509Certificate2.CreateFromPem(certificate, key);

            // Where keys that were never stored cannot be used for TLS, as on Windows, this can.
            return X509CertificateLoader.LoadPkcs12(
                read.Export(X509ContentType.Pkcs12), password: null);
        }
        catch (Exception failure) when (failure is CryptographicException or ArgumentException)
        {
            throw new CertificateException(
                $"{certificateFile} and {keyFile} are no certificate and its key, in PEM:"
                + $" {failure.Message}",
                failure);
        }
    }

    /// <summary>A certificate with its key, and those that follow it in its file, which lead to an
    /// authority, as they are shown in TLS.</summary>
    /// <exception cref="CertificateException">One of them cannot be used.</exception>
    public static SslStreamCertificateContext ReadWithChain(
        string certificateFile, string keyFile)
    {
        X509Certificate2 certificate = ReadWithKey(certificateFile, keyFile);
        return SslStreamCertificateContext.Create(
            certificate, [.. ReadAll(certificateFile).Skip(1)], offline: true);
    }

    private static string Read(string file)
    {
        try
        {
            var info = new FileInfo(file);
            return info.Length <= MaxBytes
                ? File.ReadAllText(file)
                : throw new CertificateException(
                    $"{file} has {info.Length:N0} bytes; certificates have at most {MaxBytes:N0}");
        }
        catch (Exception failure)
            when (failure is (IOException or UnauthorizedAccessException)
                and not CertificateException)
        {
            throw new CertificateException(
                $"{file} cannot be read: {failure.Message}", failure);
        }
    }
}
