using Backprop.Data.Sources;

namespace Backprop.Training.Tests.Specification;

/// <summary>Opens the data of run files, whose paths are relative to the repository's root,
/// wherever the tests run.</summary>
internal static class RepositoryData
{
    public static IDataSourceOpener Opener { get; } = new DataSourceOpener(RepositoryPaths.Root);
}
