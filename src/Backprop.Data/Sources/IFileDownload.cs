namespace Backprop.Data.Sources;

/// <summary>Gets files from elsewhere.</summary>
public interface IFileDownload
{
    /// <summary>Writes the whole of a file, once; returns in bounded time.</summary>
    /// <param name="url">The file.</param>
    /// <param name="destination">Takes the bytes.</param>
    /// <exception cref="DownloadException">It did not come, not whole, or is too large.</exception>
    /// <exception cref="IOException"><paramref name="destination"/> did not take it.</exception>
    void Download(Uri url, Stream destination);
}

/// <summary>A file did not come.</summary>
/// <param name="reason">Why: <c>the server answers 404 (Not Found)</c>.</param>
/// <param name="mayPass">Whether it may come when it is asked for again.</param>
/// <param name="cause">What reported it first.</param>
public sealed class DownloadException(string reason, bool mayPass, Exception? cause = null)
    : Exception(reason, cause)
{
    /// <summary>Whether it may come when it is asked for again.</summary>
    public bool MayPass => mayPass;
}
